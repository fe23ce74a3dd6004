"""Micrographs of distorted perovskites from a key: HAADF, ABF and iDPC at once.

Small periodic crystals by the S-matrix: every plane wave of the aperture travels once,
and all positions of the scan are sums of them.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.coherence import blur_scan
from inverse.simulator.detector import annular_mask, collect
from inverse.simulator.distorted_crystal import DistortionRange, Example, make_draw
from inverse.simulator.electron import wavelength_a
from inverse.simulator.grid import BAND_LIMIT, Grid, smooth_size
from inverse.simulator.multislice import propagator, transmission
from inverse.simulator.oxides import Oxide
from inverse.simulator.perovskite import OXYGEN
from inverse.simulator.phase_contrast import integrate
from inverse.simulator.phonons import displace
from inverse.simulator.poisson import poisson
from inverse.simulator.potential import form_factors, slice_potentials
from inverse.simulator.s_matrix import (
    beam_amplitudes,
    beams,
    s_matrix,
    s_matrix_patterns,
)

IMAGES = ("HAADF", "ABF", "iDPC")


@dataclasses.dataclass(frozen=True)
class Microscope:
    """How crystals are looked at.

    Attributes:
      energy_ev: of the beam.
      semiangle_cutoff_mrad: of the probe; ABF collects its outer half.
      haadf_inner_mrad: the detector reaches from here to `outer_mrad`.
      outer_mrad: what the grid has to propagate.
      pixels_per_cell: of the scan, along x and y.
      defocus_a: uniformly from the first to the second.
      source_rms_a: size of the source.
      phonon_rms_a: thermal displacement of every atom along one axis.
      frozen_phonons: configurations that are averaged.
      dose_e_per_a2: electrons; 0 for an image without noise.
    """

    energy_ev: float = 300e3
    semiangle_cutoff_mrad: float = 27.0
    haadf_inner_mrad: float = 60.0
    outer_mrad: float = 100.0
    pixels_per_cell: int = 20
    defocus_a: tuple[float, float] = (-20.0, 20.0)
    source_rms_a: float = 0.3
    phonon_rms_a: float = 0.07
    frozen_phonons: int = 4
    dose_e_per_a2: float = 1e4


class Slices(NamedTuple):
    """A crystal as AO and BO2 layers by turns.

    Attributes:
      positions_a: [slice, species A B O, atom, (x, y)].
      weights: [slice, species, atom], 1 of an atom and 0 of padding.
    """

    positions_a: jax.Array
    weights: jax.Array


def crystal_grid(oxide: Oxide, counts: tuple[int, int, int], seen: Microscope) -> Grid:
    """The grid of a crystal that propagates `outer_mrad`, of 5-smooth size."""
    finest = BAND_LIMIT / 2 * 1e3 * wavelength_a(seen.energy_ev) / seen.outer_mrad
    sides = [oxide.pseudo_cubic_a * counts[axis] for axis in (1, 0)]
    return Grid(tuple(sides), tuple(smooth_size(side / finest) for side in sides))


def fit_to_grid(example: Example, counts: tuple[int, int, int], grid: Grid) -> Example:
    """Stretches the crystal across the beam to the sides of `grid`.

    A compound's lattice parameters were measured with its tilts: its octahedra are
    larger than the untilted cell, rather than its cell smaller. Displacements across
    the beam, and targets with them, grow by the same factor (at most 4 %).
    """
    return stretch(example, counts, jnp.array([grid.extent_a[1], grid.extent_a[0]]))


def stretch(
    example: Example, counts: tuple[int, int, int], box_a: jax.Array
) -> Example:
    """Stretches the crystal across the beam to the sides `box_a` [(x, y)]."""
    scale = box_a / (example.cell[:2] * jnp.array(counts[:2]))
    scale = jnp.append(scale, 1.0)
    return example._replace(
        positions=example.positions * scale[None],
        cell=example.cell * scale,
        targets=example.targets._replace(
            shift=example.targets.shift * scale[None, None, None, None]
        ),
    )


def slice_layers(example: Example, counts: tuple[int, int, int]) -> Slices:
    """Sorts atoms into two slices per cell, by site: no displacement crosses one."""
    xy = example.positions[:, :2].reshape(*counts, 5, 2)
    exists = (example.numbers > 0).reshape(*counts, 5)

    def layer(sites):
        places = jnp.moveaxis(xy[..., sites, :], 2, 0).reshape(counts[2], -1, 2)
        weights = jnp.moveaxis(exists[..., sites], 2, 0).reshape(counts[2], -1)
        spare = 2 * counts[0] * counts[1] - weights.shape[1]
        places = jnp.pad(places, [(0, 0), (0, spare), (0, 0)])
        return places, jnp.pad(weights.astype(jnp.float32), [(0, 0), (0, spare)])

    nothing = np.array([], int)
    sites = [[[0], nothing, [4]], [nothing, [1], [2, 3]]]
    made = [[layer(np.asarray(s)) for s in species] for species in sites]
    parts = []
    for part in (0, 1):
        both = jnp.stack([jnp.stack([s[part] for s in species], 1) for species in made])
        # [AO or BO2, z, ...] to slices in the order in which the beam meets them.
        swapped = jnp.swapaxes(both, 0, 1)
        parts.append(swapped.reshape(2 * counts[2], *swapped.shape[2:]))
    return Slices(*parts)


def scan_positions(
    oxide: Oxide, counts: tuple[int, int, int], seen: Microscope
) -> tuple[np.ndarray, tuple[int, int]]:
    """Centres of pixels [p, (x, y)] [A], row after row, and pixels (y, x)."""
    shape = (counts[1] * seen.pixels_per_cell, counts[0] * seen.pixels_per_cell)
    sampling = oxide.pseudo_cubic_a / seen.pixels_per_cell
    y, x = (np.indices(shape) + 0.5) * sampling
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32), shape


def detector_masks(grid: Grid, seen: Microscope) -> np.ndarray:
    """HAADF, ABF, everything, kx, ky, k^2 [6, ky, kx], angles in mrad."""
    edge = seen.semiangle_cutoff_mrad
    ky, kx = (
        1e3 * wavelength_a(seen.energy_ev) * np.fft.fftshift(k)
        for k in grid.frequencies()
    )
    one = np.ones(grid.gpts)
    rings = [
        annular_mask(grid, seen.energy_ev, seen.haadf_inner_mrad, seen.outer_mrad),
        annular_mask(grid, seen.energy_ev, edge / 2, edge),
    ]
    return np.stack([*rings, one, kx * one, ky * one, kx**2 + ky**2]).astype(np.float32)


def transmissions(
    slices: Slices, oxide: Oxide, grid: Grid, seen: Microscope
) -> jax.Array:
    """Transmission of every slice [slice, y, x]."""
    factors = form_factors(grid, (oxide.a_site, oxide.b_site, OXYGEN))
    potentials = slice_potentials(*slices, jnp.asarray(factors), grid)
    return jax.lax.map(lambda v: transmission(v, seen.energy_ev, grid), potentials)


def make_micrographs(
    oxide: Oxide, settings: DistortionRange, seen: Microscope, *, batch_size: int = 16
) -> Callable[[jax.Array], tuple[Example, jax.Array]]:
    """Returns micrographs(key) -> (example, images [y, x, 3]), pure and jittable.

    Images in the order of IMAGES: electrons per incident electron in the first two,
    the phase in rad in the last.

    Args:
      oxide: of the specimen; each has a grid of its own.
      settings: of the distortions.
      seen: of the microscope.
      batch_size: waves that travel together, and rows of the scan that are summed.
    """
    counts = settings.counts
    grid = crystal_grid(oxide, counts, seen)
    chosen = beams(grid, seen.energy_ev, seen.semiangle_cutoff_mrad)
    positions, shape = scan_positions(oxide, counts, seen)
    masks = jnp.asarray(detector_masks(grid, seen))
    draw = make_draw((oxide,), settings)
    sampling = (oxide.pseudo_cubic_a / seen.pixels_per_cell,) * 2

    def signals(slices, thickness, depth, amplitudes) -> jax.Array:
        """What the masks collect at every position [p, 6]."""
        layers = transmissions(slices, oxide, grid, seen)
        propagate = propagator(grid, seen.energy_ev, thickness)
        matrix = s_matrix(
            grid,
            chosen,
            lambda i: layers[i],
            propagate,
            2 * depth,
            batch_size=batch_size,
        )
        rows = amplitudes.reshape(shape[0], shape[1], -1)
        return jax.lax.map(
            lambda row: collect(s_matrix_patterns(matrix, row), masks), rows
        ).reshape(-1, len(masks))

    def micrographs(key: jax.Array) -> tuple[Example, jax.Array]:
        drawn, shaken, focus, noise = jax.random.split(key, 4)
        example = fit_to_grid(draw(drawn), counts, grid)
        slices = slice_layers(example, counts)
        near, far = seen.defocus_a
        defocus = jax.random.uniform(focus, (), minval=near, maxval=far)
        amplitudes = beam_amplitudes(
            grid,
            chosen,
            seen.energy_ev,
            seen.semiangle_cutoff_mrad,
            jnp.asarray(positions),
            {"C10": -defocus},
        )

        def configuration(number):
            moved = displace(shaken, slices.positions_a, seen.phonon_rms_a, number)
            thickness = example.cell[2] / 2
            return signals(
                slices._replace(positions_a=moved), thickness, example.depth, amplitudes
            )

        all_signals = jax.lax.map(configuration, jnp.arange(seen.frozen_phonons))
        collected = all_signals.mean(axis=0).T.reshape(-1, *shape)
        collected = blur_scan(collected, sampling, seen.source_rms_a)
        if seen.dose_e_per_a2:
            electrons = seen.dose_e_per_a2 * sampling[0] * sampling[1]
            collected = _count(noise, collected, electrons)
        deflection = (
            jnp.stack([collected[3], collected[4]], -1) / collected[2][..., None]
        )
        phase = integrate(deflection, sampling, seen.energy_ev)
        return example, jnp.stack([collected[0], collected[1], phase], axis=-1)

    return micrographs


def _count(key: jax.Array, collected: jax.Array, electrons: float) -> jax.Array:
    """Shot noise of the masks' signals [6, y, x] with `electrons` per position.

    Rings count independently (Poisson). The mean deflection of many electrons scatters
    as a Gaussian, with the spread of their angles over the root of their number.
    """
    rings, deflections = jax.random.split(key)
    expected = electrons * jnp.maximum(collected[:2], 0)
    counted = poisson(rings, expected) / electrons
    spread = jnp.sqrt(jnp.maximum(collected[5], 0) / 2 / electrons)
    shake = spread[None] * jax.random.normal(deflections, collected[3:5].shape)
    return collected.at[:2].set(counted).at[3:5].add(shake)
