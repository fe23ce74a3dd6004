"""The patterns of a planned scan, in batches over all devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec
from tqdm import tqdm

from inverse.scan.plan import ScanPlan
from inverse.simulator import detector, probe, s_matrix
from inverse.simulator.multislice import multislice, propagator, transmission
from inverse.simulator.phonons import displace
from inverse.simulator.potential import form_factors, slice_potentials
from parallel.mesh import DATA_AXIS, sharding, spmd

# Batches per call of a device: between two of them the progress bar moves.
_BATCHES_PER_CALL = 8
_EVERYWHERE, _DIVIDED = PartitionSpec(), PartitionSpec(DATA_AXIS)


def mean_patterns(plan: ScanPlan, config) -> np.ndarray:
    """Patterns [p, ky, kx] of all positions, averaged over frozen phonons.

    Electrons per incident electron, without source size and counting; frequency zero at
    n // 2. The same on any number of devices, and by either method to rounding.

    Args:
      plan: of the scan.
      config: the whole configuration.
    """
    mesh = Mesh(jax.devices(), (DATA_AXIS,), axis_types=(AxisType.Auto,))
    mean = np.zeros((len(plan.positions_a), *plan.kept), np.float32)
    patterns_of = (_by_matrix if plan.by_matrix else _by_probes)(plan, config, mesh)
    with tqdm(
        total=plan.num_waves, unit="wave", desc="simulating", disable=None
    ) as bar:
        for number in range(plan.configurations):
            layers = jax.device_put(_layers(plan, config, number), sharding(mesh))
            for first, patterns in patterns_of(layers, bar.update):
                share = patterns[: len(mean) - first] / plan.configurations
                mean[first : first + len(share)] += share
    return mean


def potentials(plan: ScanPlan, config, number: int = 0) -> jax.Array:
    """Projected potentials of the slices that differ [slices, y, x] [V A]."""
    atoms, asked = plan.atoms, config.specimen
    rms = 0.0 if plan.moving else asked.rms_a
    factors = form_factors(plan.grid, atoms.numbers, rms, asked.table)
    positions, weights = jnp.asarray(atoms.positions_a), jnp.asarray(atoms.weights)
    if plan.moving:
        key = jax.random.key(config.seed)
        positions, weights = positions[atoms.order], weights[atoms.order]
        positions = displace(key, positions, asked.rms_a, number)
    return slice_potentials(positions, weights, jnp.asarray(factors), plan.grid)


def _layers(plan: ScanPlan, config, number: int) -> jax.Array:
    """Transmissions of one configuration of phonons."""
    energy_ev = config.beam.energy_ev

    @jax.jit
    def of(potential):
        return jax.lax.map(lambda v: transmission(v, energy_ev, plan.grid), potential)

    return of(potentials(plan, config, number))


def _travel(plan: ScanPlan, config) -> tuple[Callable, jax.Array, int]:
    """Number and layers -> transmission, the propagator, and how many slices."""
    order = jnp.arange(len(plan.atoms.order))
    if not plan.moving:
        order = jnp.asarray(plan.atoms.order)
    step = propagator(
        plan.grid,
        config.beam.energy_ev,
        plan.atoms.slice_thickness_a,
        tuple(config.specimen.tilt_mrad),
    )
    return lambda layers, i: layers[order[i]], step, len(order)


def _lens(config, defocus: jax.Array) -> dict[str, jax.Array]:
    coefficients = config.beam.aberrations.to_dict()
    return {**coefficients, "C10": coefficients["C10"] - defocus}


def _blocks(count: int, block: int) -> list[np.ndarray]:
    """Indices of `count` things in blocks of one length; the last ones repeat."""
    starts = range(0, count, block)
    return [np.minimum(np.arange(start, start + block), count - 1) for start in starts]


def _by_probes(plan: ScanPlan, config, mesh: Mesh):
    """Returns patterns(layers, advance): pairs of a first position and patterns."""
    beam, batch = config.beam, plan.budget.batch_size
    transmission_of, step, num_slices = _travel(plan, config)
    foci = tuple(jnp.asarray(f, jnp.float32) for f in plan.foci)
    block = batch * _BATCHES_PER_CALL * mesh.size

    def share(layers, positions):
        def of_focus(focus):
            spectrum = probe.probe_spectrum(
                plan.grid,
                beam.energy_ev,
                beam.semiangle_cutoff_mrad,
                _lens(config, focus[0]),
            )

            def pattern(at):
                waves = probe.place_probes(spectrum, at[None], plan.grid)
                waves = multislice(
                    waves, lambda i: transmission_of(layers, i), step, num_slices
                )
                return detector.cbed(waves, plan.kept)[0]

            return focus[1] * jax.lax.map(pattern, positions, batch_size=batch)

        if len(plan.foci[0]) == 1:
            return of_focus((foci[0][0], foci[1][0]))
        return jax.lax.map(of_focus, foci).sum(axis=0)

    run = spmd(share, mesh, (_EVERYWHERE, _DIVIDED), _DIVIDED)

    def patterns(layers, advance):
        count = len(plan.positions_a)
        for indices in _blocks(count, block):
            yield indices[0], np.asarray(run(layers, plan.positions_a[indices]))
            advance(len(np.unique(indices)) * len(plan.foci[0]))

    return patterns


def _by_matrix(plan: ScanPlan, config, mesh: Mesh):
    """As _by_probes, from the plane waves of the aperture."""
    beam, batch = config.beam, plan.budget.batch_size
    transmission_of, step, num_slices = _travel(plan, config)
    block = batch * _BATCHES_PER_CALL * mesh.size

    def travel(layers, rows, columns):
        return s_matrix.s_matrix(
            plan.grid,
            (rows, columns),
            lambda i: transmission_of(layers, i),
            step,
            num_slices,
            shape=plan.kept,
            batch_size=batch,
        )

    def share(matrix, positions):
        def of_focus(focus):
            amplitudes = s_matrix.beam_amplitudes(
                plan.grid,
                plan.beams,
                beam.energy_ev,
                beam.semiangle_cutoff_mrad,
                positions,
                _lens(config, focus[0]),
            )
            return focus[1] * s_matrix.s_matrix_patterns(matrix, amplitudes)

        return sum(
            of_focus(focus)
            for focus in zip(*(f.astype(np.float32) for f in plan.foci), strict=True)
        )

    send = spmd(travel, mesh, (_EVERYWHERE, _DIVIDED, _DIVIDED), _DIVIDED)
    add_up = spmd(share, mesh, (_EVERYWHERE, _DIVIDED), _DIVIDED)

    def patterns(layers, advance):
        rows, columns = (index.astype(np.int32) for index in plan.beams)
        matrix = np.zeros((len(rows), *plan.kept), np.complex64)
        for indices in _blocks(len(rows), block):
            matrix[indices] = send(layers, rows[indices], columns[indices])
            advance(len(np.unique(indices)))
        matrix = jax.device_put(matrix, sharding(mesh))
        for indices in _blocks(len(plan.positions_a), block):
            yield indices[0], np.asarray(add_up(matrix, plan.positions_a[indices]))

    return patterns
