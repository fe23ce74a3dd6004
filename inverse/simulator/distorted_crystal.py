"""Random distorted perovskites with the truth about them, from a key."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from inverse.simulator.amplitude_field import draw_profile
from inverse.simulator.depth_moments import depth_moments
from inverse.simulator.glazer import rotations
from inverse.simulator.oxides import Oxide
from inverse.simulator.perovskite import Distortions, atoms_of, build_crystal


@dataclasses.dataclass(frozen=True)
class DistortionRange:
    """What is drawn, uniformly unless said otherwise.

    Attributes:
      counts: cells along x, y and (at most) z; those along x and y even.
      thinnest: fewest cells along z.
      max_tilt_deg: largest angle of any octahedron about all axes together.
      max_shift_a: largest displacement of A and of B along each direction [A];
        that of the oxygens is half of it.
      max_strain: largest change of each side.
      tilt_probability: how often an axis is tilted, in either phase.
      polar_probability: how often displacements of one kind of atom are parallel;
        else they alternate along one, two or three directions.
      depth_weights: how often fields are as in DEPTH_KINDS.
      lateral_weights: how often fields are as in LATERAL_KINDS.
      num_moments: Legendre moments along the beam among the targets.
    """

    counts: tuple[int, int, int] = (4, 4, 20)
    thinnest: int = 12
    max_tilt_deg: float = 15.0
    max_shift_a: float = 0.4
    max_strain: float = 0.02
    tilt_probability: float = 0.7
    polar_probability: float = 0.6
    depth_weights: tuple[float, ...] = (0.4, 0.2, 0.2, 0.2)
    lateral_weights: tuple[float, ...] = (0.6, 0.2, 0.2)
    num_moments: int = 3


class Targets(NamedTuple):
    """What a network is to tell, per column of cells, as Legendre moments.

    Attributes:
      rotation: [x, y, moment, beam, axis], degrees: of the rotation vector as it is
        (beam 0) and of it times (-1)^k with k the cell's number along the beam
        (beam 1). Tilts about x and y show in the second, about z in phase in the
        first, out of phase in the second.
      tilt: [x, y, moment, axis, phase], degrees: the amplitudes in Glazer's sense,
        signed as drawn.
      shift: [x, y, moment, atom, xyz], A: of A, of B and of the oxygens.
    """

    rotation: jax.Array
    tilt: jax.Array
    shift: jax.Array


class Example(NamedTuple):
    """A crystal and its targets.

    Attributes:
      positions: [atom, xyz], A; padding lies at the origin.
      numbers: atomic numbers [atom]; 0 is padding.
      cell: sides of one cell [xyz], A.
      depth: number of cells along the beam [].
      oxide: index among the oxides [].
      targets: per column of cells.
    """

    positions: jax.Array
    numbers: jax.Array
    cell: jax.Array
    depth: jax.Array
    oxide: jax.Array
    targets: Targets


def targets_of(
    distortions: Distortions, tilt: jax.Array, depth: jax.Array, num_moments: int
) -> Targets:
    """Summarises fields over cells, tilt amplitudes [x, y, z, axis, phase] in rad."""
    alternating = (-1.0) ** jnp.arange(distortions.rotation.shape[2])
    turned = distortions.rotation
    both = jnp.stack(
        [turned, turned * alternating[None, None, :, None]], axis=3
    )  # [x, y, z, beam, axis]
    shifts = jnp.stack(
        [distortions.a_shift, distortions.b_shift, distortions.o_shift], axis=3
    )
    return Targets(
        rotation=jnp.rad2deg(depth_moments(both, depth, num_moments)),
        tilt=jnp.rad2deg(depth_moments(tilt, depth, num_moments)),
        shift=depth_moments(shifts, depth, num_moments),
    )


def _draw_tilts(key: jax.Array, settings: DistortionRange, depth) -> jax.Array:
    """Amplitudes [x, y, z, axis, phase], rad."""
    tilted, phases, angles, fields = jax.random.split(key, 4)
    angle = jnp.deg2rad(settings.max_tilt_deg) * jax.random.uniform(angles, (3,))
    angle *= jax.random.bernoulli(tilted, settings.tilt_probability, (3,))
    # The angle about a diagonal is the root of the sum of squares.
    largest = jnp.deg2rad(settings.max_tilt_deg)
    angle *= jnp.minimum(1, largest / jnp.maximum(jnp.linalg.norm(angle), 1e-6))
    phase = jax.nn.one_hot(jax.random.randint(phases, (3,), 0, 2), 2)
    profiles = _profiles(jax.random.split(fields, 3), settings, depth)
    return profiles[..., None] * (angle[:, None] * phase)[None, None, None]


def _draw_shift(key, settings: DistortionRange, depth, largest: float) -> jax.Array:
    """Displacements [x, y, z, xyz] of one kind of atom, A."""
    sizes, polar, waves, fields = jax.random.split(key, 4)
    size = jax.random.uniform(sizes, (3,), minval=-largest, maxval=largest)
    parallel = jax.random.bernoulli(polar, settings.polar_probability)
    # One of X, M and R: along which directions neighbours are opposite.
    wave = 1 + jax.random.randint(waves, (), 0, 7)
    bits = jnp.where(parallel, 0, (wave >> jnp.arange(3)) & 1)
    cells = jnp.indices(settings.counts)
    signs = (-1.0) ** jnp.einsum("axyz,a->xyz", cells, bits)
    profiles = _profiles(jax.random.split(fields, 3), settings, depth)
    return profiles * signs[..., None] * size[None, None, None]


def _profiles(keys: jax.Array, settings: DistortionRange, depth) -> jax.Array:
    """One field per key [x, y, z, key]."""

    def draw(key):
        return draw_profile(
            key,
            settings.counts,
            depth,
            settings.depth_weights,
            settings.lateral_weights,
        )

    return jnp.moveaxis(jax.vmap(draw)(keys), 0, -1)


def draw_distortions(
    tilt_key: jax.Array,
    shift_key: jax.Array,
    settings: DistortionRange,
    depth: jax.Array,
) -> tuple[Distortions, jax.Array]:
    """Draws fields over cells, and tilt amplitudes [x, y, z, axis, phase] in rad."""
    tilt = _draw_tilts(tilt_key, settings, depth)
    a_key, b_key, o_key = jax.random.split(shift_key, 3)
    distortions = Distortions(
        rotations(tilt),
        _draw_shift(a_key, settings, depth, settings.max_shift_a),
        _draw_shift(b_key, settings, depth, settings.max_shift_a),
        _draw_shift(o_key, settings, depth, settings.max_shift_a / 2),
    )
    return distortions, tilt


def make_draw(
    oxides: tuple[Oxide, ...], settings: DistortionRange
) -> Callable[[jax.Array], Example]:
    """Returns draw(key) -> Example, pure and jittable, all shapes fixed."""
    if not oxides:
        raise ValueError("oxides=(): name at least one.")
    if not 4 <= settings.thinnest <= settings.counts[2]:
        raise ValueError(
            f"thinnest={settings.thinnest}: must lie within 4 and the "
            f"{settings.counts[2]} cells of counts={settings.counts}."
        )
    sides = jnp.array([oxide.pseudo_cubic_a for oxide in oxides])
    a_sites = jnp.array([oxide.a_site for oxide in oxides])
    b_sites = jnp.array([oxide.b_site for oxide in oxides])

    def draw(key: jax.Array) -> Example:
        which, thick, tilts, shifts, strains = jax.random.split(key, 5)
        oxide = jax.random.randint(which, (), 0, len(oxides))
        depth = jax.random.randint(thick, (), settings.thinnest, settings.counts[2] + 1)
        distortions, tilt = draw_distortions(tilts, shifts, settings, depth)
        strain = settings.max_strain * jax.random.uniform(strains, (3,), minval=-1)
        crystal = build_crystal(distortions, sides[oxide], strain, depth)
        positions, numbers = atoms_of(crystal, a_sites[oxide], b_sites[oxide], depth)
        targets = targets_of(distortions, tilt, depth, settings.num_moments)
        return Example(positions, numbers, crystal.cell, depth, oxide, targets)

    return draw
