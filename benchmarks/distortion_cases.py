"""One distorted crystal under the microscope, as a function of every parameter."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.distortion.source import (
    distortion_range,
    grams_of,
    on_square,
    table_of,
    tables_of,
)
from inverse.simulator.channelling_images import scan_images
from inverse.simulator.depth_moments import polynomials_over
from inverse.simulator.distorted_crystal import Example, draw_distortions, targets_of
from inverse.simulator.glazer import glazer_signs
from inverse.simulator.oxides import load_oxides
from inverse.simulator.perovskite import Distortions, atoms_of, build_crystal

THIRDS = 3  # of the span of foci
# Signals in which a displacement along x shows; of iDPC it is the deflection.
ALONG_X = {"HAADF": 0, "ABF": 1, "iDPC": 2}
_STEP_A = 0.03


def asked(names: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters: the channels but those that define the origin, or the focus."""
    return tuple(n for n in names if n != "shift_A_z_P0_pm")


class Case(NamedTuple):
    """One crystal, and how it is looked at.

    Attributes:
      drawn: its distortions.
      tilt: amplitudes that belong to them [x, y, z, axis, phase], rad.
      depth: cells along the beam [].
      oxide: index among all compounds [].
      strain: relative change of the sides [xyz].
      focus_a: of the probe.
      source_a: size of the source.
    """

    drawn: Distortions
    tilt: jax.Array
    depth: jax.Array
    oxide: jax.Array
    strain: jax.Array
    focus_a: float
    source_a: float


def held_out_oxides(config) -> tuple[int, ...]:
    """Numbers, among all compounds, of those that are not trained on."""
    held = config.dataset.held_out
    return tuple(n for n, o in enumerate(load_oxides()) if o.formula in held)


def third_of(number: int, oxides: tuple[int, ...]) -> int:
    """Of the span of foci, in which the `number`-th operating point lies."""
    return number // len(oxides) % THIRDS


def draw_case(config, number: int, oxides: tuple[int, ...]) -> Case:
    """Draws the `number`-th operating point: each oxide, in each third of the foci.

    Args:
      config: whose crystals, microscope and foci.
      number: of the point.
      oxides: numbers among all compounds.
    """
    settings, dataset = distortion_range(config), config.dataset
    key = jax.random.fold_in(jax.random.key(11), number)
    *fields, thick, focus, source, strains = jax.random.split(key, 6)
    depth = jax.random.randint(thick, (), settings.thinnest, settings.counts[2] + 1)
    drawn, tilt = draw_distortions(*fields, settings, depth)
    third = third_of(number, oxides)
    low, high = dataset.defocus_a
    place = (third + float(jax.random.uniform(focus))) / THIRDS
    sizes = dict(zip(("minval", "maxval"), dataset.source_rms_a, strict=True))
    strain = settings.max_strain * jax.random.uniform(strains, (3,), minval=-1)
    return Case(
        *(drawn, tilt, depth, jnp.int32(oxides[number % len(oxides)]), strain),
        low + (high - low) * place,
        float(jax.random.uniform(source, (), **sizes)),
    )


def _profile(counts: tuple[int, int, int], depth: int, moment: int) -> np.ndarray:
    """One unit of a moment along the beam [z]."""
    return np.asarray(polynomials_over(depth, moment + 1, counts[2]))[moment]


def _direction(name: str, counts, depth: int, tilt_signs: np.ndarray):
    """The field [x, y, z] of one unit of a parameter, and whose it is."""
    kind, what, axis, moment, _ = name.split("_")
    profile = _profile(counts, depth, int(moment[1:]))
    i, j, k = np.indices(counts)
    if kind == "tilt":
        if what == "repeating":
            sign = (-1.0) ** (i + j)
        else:
            sign = tilt_signs[..., "xyz".index(axis)]
    elif what == "A" and moment == "P0":
        # All A alike would move the origin: neighbours move against each other.
        sign = (-1.0) ** (i + j)
    else:
        sign = np.ones(counts)
    return kind, what, "xyz".index(axis), sign * profile


def directions(names: tuple[str, ...], case: Case) -> dict[str, np.ndarray]:
    """Fields of one unit of every parameter, by which they are of, rad and A.

    Returns arrays [parameter, x, y, z, axis].
    """
    # Alternating tilts in the phase that they have; out of phase where there is none.
    size = np.abs(np.asarray(case.tilt)).max(axis=(0, 1, 2))
    phase = np.where(size.max(axis=1) > 0, size.argmax(axis=1), 1)
    phase[2] = 1
    counts = case.tilt.shape[:3]
    signs = np.asarray(glazer_signs(counts))
    signs = np.stack([signs[..., a, phase[a]] for a in range(3)], axis=-1)
    found = {
        kind: np.zeros((len(names), *counts, 3), np.float32)
        for kind in ("tilt", "A", "B", "O")
    }
    for number, name in enumerate(names):
        kind, what, axis, field = _direction(name, counts, int(case.depth), signs)
        unit = np.pi / 180 if kind == "tilt" else 0.01
        found[kind if kind == "tilt" else what][number, ..., axis] = unit * field
    return found


def make_simulator(config):
    """Returns signals(case, directions, parameters, nuisances) [y, x, signal]."""
    settings, oxides = distortion_range(config), load_oxides()
    tables = tables_of(config, oxides)
    sides, a_sites, b_sites = (
        jnp.asarray([getattr(oxide, name) for oxide in oxides])
        for name in ("pseudo_cubic_a", "a_site", "b_site")
    )
    pixels = config.dataset.cells * config.dataset.pixels_per_cell

    def signals(case, units, parameters, nuisances) -> jax.Array:
        moved = Distortions(
            *(
                field + jnp.tensordot(parameters, units[kind], 1)
                for field, kind in zip(case.drawn, ("tilt", "A", "B", "O"), strict=True)
            )
        )
        depth, oxide = case.depth, case.oxide
        table = table_of(tables, oxide)
        crystal = build_crystal(moved, sides[oxide], case.strain, depth)
        positions, numbers = atoms_of(crystal, a_sites[oxide], b_sites[oxide], depth)
        targets = targets_of(case.drawn, case.tilt, depth, settings.num_moments)
        found = Example(positions, numbers, crystal.cell, depth, oxide, targets)
        found, side = on_square(config, table, found), table["side_a"]
        grams = grams_of(config, table, found)
        seen = scan_images(table, grams, nuisances[0], nuisances[1:3] / side, pixels)
        return blurred(seen, side, nuisances[3], config.dataset.phonon_rms_a)

    return jax.jit(signals), np.asarray(tables.side_a)


def blurred(seen, side, source, phonon) -> jax.Array:
    """Signals [y, x, signal] that repeat after `side`, seen with a source, all in A.

    In a model of unmoved nuclei, what they scatter far is blurred by thermal motion
    besides, as in `acquisition.record`.
    """
    index = np.fft.fftfreq(seen.shape[0], 1 / seen.shape[0])
    k2 = (index[:, None] ** 2 + index[None] ** 2)[..., None] / side**2
    rms2 = source**2 + jnp.array([phonon**2, 0, 0, 0]).reshape(1, 1, 4)
    spectrum = jnp.fft.fft2(seen, axes=(0, 1)) * jnp.exp(-2 * jnp.pi**2 * rms2 * k2)
    return jnp.fft.ifft2(spectrum, axes=(0, 1)).real


def _fields(counts: tuple[int, int, int], depth: int, atom: str, moment: int) -> dict:
    """One unit of a moment of all atoms of one kind, along x, as `make_simulator`."""
    fields = {kind: np.zeros((1, *counts, 3), np.float32) for kind in "ABO"}
    fields[atom][0, ..., 0] = _profile(counts, depth, moment)
    return fields | {"tilt": np.zeros((1, *counts, 3), np.float32)}


def apparent_shift(signals, case: Case, counts, atom: str, focus_a: float) -> list:
    """Where columns with a slope along the beam seem to stand, per unit of it.

    Args:
      signals: see `make_simulator`.
      case: an undistorted crystal; its focus is not used.
      counts: cells along x, y and z.
      atom: "A" or "B", all of which are displaced.
      focus_a: of the probe.

    Returns:
      One share for each of ALONG_X: the change of the signal by the slope, projected
      on that by a rigid displacement.
    """
    seen_as = jnp.array([focus_a, 0.0, 0.0, case.source_a], jnp.float32)
    changes = []
    for moment in (0, 1):
        fields = _fields(counts, int(case.depth), atom, moment)
        up, down = (
            np.asarray(signals(case, fields, jnp.array([step]), seen_as))
            for step in (_STEP_A, -_STEP_A)
        )
        changes.append(up - down)
    rigid, sloped = changes
    return [
        float((sloped[..., d] * rigid[..., d]).sum() / (rigid[..., d] ** 2).sum())
        for d in ALONG_X.values()
    ]
