"""The door of --mode=simulate: from a structure to patterns, images and pictures."""

import math
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from inverse.errors import ConfigError
from inverse.scan import hyperspy_file
from inverse.scan.hyperspy_file import Axis, Signal
from inverse.scan.images import record
from inverse.scan.patterns import mean_patterns, potentials
from inverse.scan.pictures import mosaic, save_image
from inverse.scan.plan import ScanPlan, make_plan
from inverse.simulator.multislice import multislice, propagator
from parallel.mesh import num_processes
from parallel.run_log import log
from parallel.workdir import flat, versions

_MIB = 1 << 20
_TIMED_SLICES = 8


def describe(config) -> None:
    """Prints what would be computed, its bytes and its time on this machine.

    Raises:
      ConfigError, SimulatorError: it cannot be computed; names what could.
    """
    plan = make_plan(config)
    for line in plan_lines(plan, config):
        print(line)
    seconds = estimated_seconds(plan)
    print(
        f"estimated time: {_clock(seconds)} on {jax.device_count()} devices like this"
    )


def plan_lines(plan: ScanPlan, config) -> list[str]:
    """What would be computed, in words."""
    atoms, grid, budget = plan.atoms, plan.grid, plan.budget
    height, width = grid.extent_a
    spread = _beam_width_a(plan, config)
    probes = len(plan.positions_a) * len(plan.foci[0])
    lines = [
        f"specimen: {atoms.num_atoms:,} atoms, {height:.2f} x {width:.2f} A, "
        f"{atoms.thickness_a:.1f} A thick",
        f"grid: {grid.gpts[0]} x {grid.gpts[1]} of {grid.sampling_a[0]:.4f} A, "
        f"{len(atoms.order)} slices of {atoms.slice_thickness_a:.3f} A, "
        f"{plan.num_unique_slices} of them kept",
        f"scan: {plan.scan_gpts[0]} x {plan.scan_gpts[1]} positions of "
        f"{plan.scan_step_a[0]:.3f} A, {len(plan.foci[0])} foci, "
        f"{plan.configurations} configurations",
        f"method: {'S-matrix' if plan.by_matrix else 'probes'}, "
        f"{len(plan.beams[0])} plane waves or {probes} probes, "
        f"{budget.batch_size} at a time",
        f"memory: {budget.total / _MIB:,.0f} MiB, {budget.results / _MIB:,.0f} of them "
        "patterns",
    ]
    if spread > min(grid.extent_a):
        lines.append(
            f"warning: the beam spreads over {spread:.1f} A and the cell is "
            f"{min(grid.extent_a):.1f} A wide: a larger config.specimen.extent_a keeps "
            "it from its periodic images"
        )
    return lines


def _beam_width_a(plan: ScanPlan, config) -> float:
    """Of the geometrical cone where it is widest, in the specimen."""
    defocus = -config.beam.aberrations.C10
    path = max(abs(defocus), abs(plan.atoms.thickness_a - defocus))
    return 2e-3 * config.beam.semiangle_cutoff_mrad * path


def estimated_seconds(plan: ScanPlan) -> float:
    """Time of all waves, from the measured time of a few slices."""
    ones = jnp.ones((plan.budget.batch_size, *plan.grid.gpts), jnp.complex64)
    step = propagator(plan.grid, 100e3, 1.0)
    run = jax.jit(lambda w: multislice(w, lambda i: w[0], step, _TIMED_SLICES))
    jax.block_until_ready(run(ones))
    start = time.perf_counter()
    jax.block_until_ready(run(ones))
    each = (time.perf_counter() - start) / _TIMED_SLICES / plan.budget.batch_size
    return each * plan.num_steps / jax.device_count()


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = math.ceil(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )


def simulate(config, workdir: str) -> None:
    """Simulates the scan and writes patterns.hspy, images.hspy and PNGs.

    Args:
      config: of configs/simulate.py.
      workdir: where everything is written; files of an earlier run are replaced.

    Raises:
      ConfigError, SimulatorError: what is asked for cannot be computed.
    """
    if num_processes() > 1:
        raise ConfigError("--mode=simulate runs in one process, on all its devices.")
    plan = make_plan(config)
    for line in plan_lines(plan, config):
        log.info(line)
    folder = pathlib.Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    seen = record(plan, config, mean_patterns(plan, config))
    potential = np.asarray(_projected(plan, config))
    _write(folder, plan, config, seen, potential)
    _draw(folder, plan, seen, potential)
    log.info("wrote %s", ", ".join(sorted(p.name for p in folder.iterdir())))


def _projected(plan: ScanPlan, config) -> jax.Array:
    """Of the whole specimen, of the first configuration of phonons [y, x] [V A]."""
    layers = potentials(plan, config)
    if plan.moving:
        return layers.sum(axis=0)
    times = np.bincount(plan.atoms.order, minlength=len(layers)).astype(np.float32)
    return jnp.einsum("s,syx->yx", times, layers, precision="highest")


def _write(folder, plan: ScanPlan, config, seen, potential: np.ndarray) -> None:
    instrument = {
        "TEM": {
            "beam_energy": config.beam.energy_ev / 1e3,  # kV, as HyperSpy has it
            "convergence_angle": config.beam.semiangle_cutoff_mrad,
            "acquisition_mode": "STEM",
        }
    }
    fields = {name: _plain(v) for name, v in flat(config.to_dict()).items()}
    provenance = {"config": fields, "run": versions()}
    scan = [
        Axis(name, "A", step, navigate=True)
        for name, step in zip("yx", plan.scan_step_a, strict=True)
    ]
    angles = [
        Axis(name, "mrad", pixel, first)
        for name, pixel, first in zip(
            ("ky", "kx"), seen.pixel_mrad, seen.angle_mrad, strict=True
        )
    ]
    electrons = "electrons per incident electron"
    patterns = Signal("patterns", seen.patterns, [*scan, *angles], electrons)
    hyperspy_file.write_signals(
        folder / "patterns.hspy", [patterns], instrument, provenance
    )
    across = [axis._replace(navigate=False) for axis in scan]
    images = [
        Signal(name, image, across, _quantity(name))
        for name, image in seen.images.items()
    ]
    places = [
        Axis(name, "A", pixel)
        for name, pixel in zip("yx", plan.grid.sampling_a, strict=True)
    ]
    images.append(Signal("potential", potential, places, "projected potential (V A)"))
    hyperspy_file.write_signals(folder / "images.hspy", images, instrument, provenance)


def _plain(value):
    """Numbers and words as they are, what HDF5 has no word for as text."""
    return value if isinstance(value, str | int | float) else repr(value)


def _quantity(name: str) -> str:
    units = {
        "centre of mass x": "deflection (mrad)",
        "centre of mass y": "deflection (mrad)",
        "iDPC": "phase (rad)",
    }
    return units.get(name, "electrons per incident electron")


def _draw(folder, plan: ScanPlan, seen, potential: np.ndarray) -> None:
    for name, image in seen.images.items():
        save_image(
            folder / f"{name.replace(' ', '_')}.png",
            image,
            plan.scan_step_a,
            "A",
            f"{name}: {_quantity(name)}",
        )
    save_image(
        folder / "potential.png",
        potential,
        plan.grid.sampling_a,
        "A",
        "projected potential (V A)",
    )
    save_image(
        folder / "patterns.png",
        np.sqrt(mosaic(seen.patterns)),
        seen.pixel_mrad,
        "mrad",
        "square root of electrons per incident electron",
    )
