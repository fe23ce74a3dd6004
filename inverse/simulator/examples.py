"""Labelled examples from random keys: a 4D-STEM scan and the density that it saw."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator import detector, potential, probe
from inverse.simulator.crystals import Crystals, place_disc
from inverse.simulator.errors import SimulatorError, check_range
from inverse.simulator.grid import BAND_LIMIT, Grid
from inverse.simulator.multislice import multislice, propagator, transmission

Example = dict[str, jax.Array]

# Atoms whose structure factors are summed at once: no fewer, and no more blocks than
# these, lest a loop's turns cost more than its sums.
_LEAST_BLOCK = 32
_MOST_BLOCKS = 16


@dataclasses.dataclass(frozen=True)
class Ranges:
    """What an example draws, each uniformly between two values.

    Attributes:
      thickness_a: of the specimen, in whole slices.
      defocus_a: of the probe; positive is underfocus, -C10.
      astigmatism_a: C12, at a random azimuth.
      tilt_mrad: of the specimen, along a random azimuth.
      log10_dose: of electrons per probe position; None: no counting noise.
      rms_a: thermal displacement along an axis, a frozen phonon of its own per example.
    """

    thickness_a: tuple[float, float] = (20.0, 100.0)
    defocus_a: tuple[float, float] = (-50.0, 50.0)
    astigmatism_a: tuple[float, float] = (0.0, 0.0)
    tilt_mrad: tuple[float, float] = (0.0, 5.0)
    log10_dose: tuple[float, float] | None = (4.0, 6.0)
    rms_a: tuple[float, float] = (0.07, 0.07)

    def __post_init__(self):
        """Refuses a range that is reversed or unphysical."""
        for name, low, high, unit in (
            ("thickness_a", 1.0, 1e4, "A"),
            ("defocus_a", -1e5, 1e5, "A"),
            ("astigmatism_a", 0.0, 1e5, "A"),
            ("tilt_mrad", 0.0, 100.0, "mrad"),
            ("log10_dose", 0.0, 12.0, ""),
            ("rms_a", 0.0, 0.5, "A"),
        ):
            pair = getattr(self, name)
            if pair is None and name == "log10_dose":
                continue
            for value in pair:
                check_range(name, value, low, high, unit)
            if pair[0] > pair[1]:
                raise SimulatorError(f"{name}={pair}: the lower value comes first.")


def make_example_fn(
    crystals: Crystals,
    *,
    image_size: int,
    scan_size: int,
    extent_a: float,
    energy_ev: float = 100e3,
    semiangle_cutoff_mrad: float = 20.0,
    scan_fraction: float = 0.5,
    scaling: str = "sqrt",
    blur_a: float = 0.2,
    ranges: Ranges | None = None,
    table: str = "lobato",
    batch_size: int = 4,
) -> Callable[[jax.Array], Example]:
    """Returns example(key), pure, to be jitted or mapped over keys.

    The key chooses a crystal, its azimuth, place and tilt, the thickness, defocus,
    thermal displacements and dose; the same key gives the same example anywhere.

    Args:
      crystals: see stack_crystals, for the same `extent_a`.
      image_size: pixels of a pattern and of the density along an axis; even.
      scan_size: probe positions along an axis; their square is the channels.
      extent_a: side of the simulated square [A].
      energy_ev: of the beam.
      semiangle_cutoff_mrad: of the probe.
      scan_fraction: of `extent_a` that is scanned, in the middle.
      scaling: of the patterns, "none", "sqrt" or "log", see scale_intensity.
      blur_a: standard deviation of the Gaussian that blurs the density.
      ranges: of what is drawn.
      table: of scattering factors.
      batch_size: probes that travel together: few, that they stay in a processor's
        cache, or what fills an accelerator. It changes nothing but the time.

    Returns:
      example(key) -> {"patterns": [y, x, c], "density": [y, x]}, float32. A pattern's
      pixels are electrons times image_size^2, so that they are about 1, then scaled;
      channel c is probe position (c // scan_size, c % scan_size) = (y, x). The density
      is the projected potential of the scanned area in kV A.
    """
    check_range("scan_fraction", scan_fraction, 1e-3, 1.0, "")
    check_range("blur_a", blur_a, 0.0, 10.0, "A")
    detector.scale_intensity(jnp.zeros(()), scaling)  # refuse before the first example
    ranges = ranges or Ranges()
    gpts = 2 * round(image_size / BAND_LIMIT / 2)
    grid = Grid((extent_a, extent_a), (gpts, gpts))
    factors = jnp.asarray(potential.form_factors(grid, crystals.numbers, table=table))
    probe.aperture(grid, energy_ev, semiangle_cutoff_mrad)
    start = extent_a * (1 - scan_fraction) / 2
    scan = probe.raster((start,) * 2, (extent_a - start,) * 2, (scan_size,) * 2)
    window = _window(grid, start, extent_a - start, image_size)
    most = crystals.positions_a.shape[-2]
    block = min(most, max(_LEAST_BLOCK, -(-most // _MOST_BLOCKS)))
    thinnest = float(crystals.slice_thickness_a.min())
    most_slices = max(1, round(ranges.thickness_a[1] / thinnest)) + 1
    blur = np.exp(
        -2 * (np.pi * blur_a) ** 2 * grid.squared_frequency()[:, : gpts // 2 + 1]
    )

    def example(key: jax.Array) -> Example:
        keys = _Keys(*jax.random.split(key, len(_Keys._fields)))
        chosen = jax.random.randint(keys.crystal, (), 0, len(crystals))
        azimuths = jax.random.uniform(keys.azimuth, (3,), maxval=2 * jnp.pi)
        shift = jax.random.uniform(keys.place, (2,), minval=-0.5, maxval=0.5)
        disc = place_disc(crystals, chosen, shift, azimuths[0], extent_a)
        thickness = _uniform(keys.thickness, ranges.thickness_a)
        dz = jnp.asarray(crystals.slice_thickness_a)[chosen]
        num_unique = jnp.asarray(crystals.num_unique)[chosen]
        num_slices = jnp.maximum(1, jnp.round(thickness / dz)).astype(jnp.int32)
        chosen_factors = factors[jnp.asarray(crystals.species)[chosen]]
        rms = _uniform(keys.rms, ranges.rms_a)
        tilt = jnp.tan(1e-3 * _uniform(keys.tilt, ranges.tilt_mrad))
        # Slices of a tilted specimen lie displaced; the label sees it too.
        lean = dz * tilt * jnp.stack([jnp.cos(azimuths[2]), jnp.sin(azimuths[2])])

        def coefficients(i):
            shake = jax.random.normal(
                jax.random.fold_in(keys.phonon, i), disc.positions_a.shape[1:]
            )
            moved = (i - num_slices / 2) * lean[None, None]
            places = disc.positions_a[i % num_unique] + rms * shake + moved
            return sum(
                chosen_factors[s]
                * potential.first_structure_factors(
                    places[s], disc.counts[i % num_unique, s], grid, block
                )
                for s in range(len(places))
            )

        layers, total = _lay(coefficients, num_slices, most_slices, grid, energy_ev)
        spectrum = probe.probe_spectrum(
            grid,
            energy_ev,
            semiangle_cutoff_mrad,
            {
                "C10": -_uniform(keys.defocus, ranges.defocus_a),
                "C12": _uniform(keys.astigmatism, ranges.astigmatism_a),
                "phi12": azimuths[1],
            },
        )
        step = propagator(grid, energy_ev, dz)

        def pattern(position):
            waves = probe.place_probes(spectrum, position[None], grid)
            waves = multislice(waves, lambda i: layers[i], step, num_slices)
            return detector.cbed(waves, (image_size, image_size))[0]

        patterns = jax.lax.map(pattern, jnp.asarray(scan), batch_size=batch_size)
        if ranges.log10_dose is not None:
            dose = 10 ** _uniform(keys.dose, ranges.log10_dose)
            patterns = detector.count(keys.counts, patterns, dose)
        patterns = detector.scale_intensity(patterns, scaling, image_size**2)
        density = 1e-3 * _evaluate(total * jnp.asarray(blur, jnp.float32), window)
        return {"patterns": jnp.moveaxis(patterns, 0, -1), "density": density}

    return example


class _Keys(NamedTuple):
    """One key of everything that is drawn."""

    crystal: jax.Array
    place: jax.Array
    azimuth: jax.Array
    thickness: jax.Array
    defocus: jax.Array
    astigmatism: jax.Array
    tilt: jax.Array
    rms: jax.Array
    phonon: jax.Array
    dose: jax.Array
    counts: jax.Array


def _uniform(key: jax.Array, limits: tuple[float, float]) -> jax.Array:
    return jax.random.uniform(key, (), minval=limits[0], maxval=limits[1])


def _lay(
    coefficients: Callable[[jax.Array], jax.Array],
    num_slices: jax.Array,
    most_slices: int,
    grid: Grid,
    energy_ev: float,
) -> tuple[jax.Array, jax.Array]:
    """Transmissions [most_slices, y, x] of a specimen and the sum of its potentials.

    Args:
      coefficients: number of a slice -> its potential's Fourier coefficients.
      num_slices: of this specimen; what is behind them is never read.
      most_slices: of any specimen.
      grid: of the waves.
      energy_ev: of the beam.
    """

    def layer(found):
        return transmission(potential.to_real(found, grid), energy_ev, grid)

    def lay(i, laid):
        layers, total = laid
        found = coefficients(i)
        return layers.at[i].set(layer(found)), total + found

    # From a slice, not from zeros: a loop's values must vary over the same devices.
    first = coefficients(0)
    layers = jnp.broadcast_to(layer(first)[None], (most_slices, *grid.gpts))
    return jax.lax.fori_loop(1, num_slices, lay, (layers, first))


def _window(grid: Grid, start_a: float, end_a: float, pixels: int):
    """Matrices (rows [p, y], columns [x // 2 + 1, p]) that sum a series in a window."""
    places = start_a + (end_a - start_a) * np.arange(pixels) / pixels
    ky, kx = (k.ravel() for k in grid.frequencies())
    kx = np.abs(kx[: grid.gpts[1] // 2 + 1])
    rows = np.exp(2j * np.pi * places[:, None] * ky)
    columns = np.exp(2j * np.pi * kx[:, None] * places)
    columns[1:] *= 2  # with the frequencies of the other sign, which are conjugate
    return rows.astype(np.complex64), columns.astype(np.complex64)


def _evaluate(coefficients: jax.Array, window) -> jax.Array:
    rows, columns = window
    return jnp.linalg.multi_dot((rows, coefficients, columns), precision="highest").real
