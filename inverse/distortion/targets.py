"""What the distortion network predicts: channels, maps over pixels, symmetry, classes.

Rows are y and columns x, as in images; the crystal's fields come as [x, y, ...].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from inverse.simulator.distorted_crystal import Targets
from inverse.simulator.glazer import PHASES

ATOMS = ("A", "B", "O")
AXES = ("x", "y", "z")
# Rotations by quarters of a turn, then the same after x is mirrored: the group 4mm.
NUM_SYMMETRIES = 8
# Which symmetry undoes each: quarters forth and back; a mirror undoes itself.
INVERSE_SYMMETRIES = (0, 3, 2, 1, 4, 5, 6, 7)


class TargetMap(NamedTuple):
    """Targets over pixels.

    Attributes:
      rotation: axial vectors [y, x, moment, beam, axis], degrees.
      shift: polar vectors [y, x, moment, atom, axis], A.
    """

    rotation: jax.Array
    shift: jax.Array


def to_pixels(targets: Targets, pixels_per_cell: int) -> TargetMap:
    """Gives every pixel the targets of its nearest octahedron, B and A.

    Args:
      targets: per column of cells.
      pixels_per_cell: along x and y; even, so that no pixel lies half-way.
    """
    if pixels_per_cell % 2:
        raise ValueError(f"{pixels_per_cell=}: must be even.")

    def spread(field):
        for axis in (0, 1):
            field = jnp.repeat(field, pixels_per_cell, axis=axis)
        return jnp.swapaxes(field, 0, 1)

    shift = spread(targets.shift)
    # A sits in the corner of its cell, which repeats: its pixels begin half a cell on.
    half = -(pixels_per_cell // 2)
    around_a = jnp.roll(shift[:, :, :, 0], (half, half), (0, 1))
    return TargetMap(spread(targets.rotation), shift.at[:, :, :, 0].set(around_a))


def transform_image(image: jax.Array, symmetry: int | jax.Array) -> jax.Array:
    """Applies one of the symmetries of a square to an image [y, x, ...].

    An image that is not square needs a symmetry that is a Python number.
    """

    def turned(quarters):
        # Of the specimen, from x to y; rows are y, so np.rot90 would turn back.
        return lambda picture: jnp.rot90(picture, -quarters)

    if isinstance(symmetry, int):
        return turned(symmetry % 4)(image[:, ::-1] if symmetry >= 4 else image)
    image = jnp.where(symmetry >= 4, image[:, ::-1], image)
    return jax.lax.switch(symmetry % 4, [turned(q) for q in range(4)], image)


def symmetry_matrix(symmetry: int | jax.Array) -> jax.Array:
    """The matrix [3, 3] of one of the symmetries, beam along z."""
    quarter = jnp.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    powers = [jnp.eye(3)]
    for _ in range(3):
        powers.append(quarter @ powers[-1])
    mirror = jnp.diag(jnp.array([-1.0, 1, 1]))
    turn = jnp.stack(powers)[symmetry % 4]
    return jnp.where(symmetry >= 4, turn @ mirror, turn)


def transform_targets(targets: TargetMap, symmetry: int | jax.Array) -> TargetMap:
    """Applies the symmetry to vectors: where they are and where they point.

    Displacements turn as arrows do. Rotation vectors, which a mirror would leave
    turning the other way, also change sign with it.
    """
    matrix = symmetry_matrix(symmetry)
    sign = jnp.where(symmetry >= 4, -1.0, 1.0)
    moved = jax.tree.map(lambda field: transform_image(field, symmetry), targets)
    turn = jnp.einsum("...b,ab->...a", moved.rotation, matrix, precision="highest")
    arrow = jnp.einsum("...b,ab->...a", moved.shift, matrix, precision="highest")
    return TargetMap(sign * turn, arrow)


def transform_spreads(spreads: TargetMap, symmetry: int | jax.Array) -> TargetMap:
    """Applies the symmetry to what has an axis but no sign, such as variances."""
    swap = jnp.abs(symmetry_matrix(symmetry))

    def moved(field):
        there = transform_image(field, symmetry)
        return jnp.einsum("...b,ab->...a", there, swap, precision="highest")

    return jax.tree.map(moved, spreads)


def fix_signs(targets: TargetMap) -> TargetMap:
    """Makes the mean of alternating tilts positive, pixel by pixel.

    Shifting the crystal by one cell along the beam changes the sign of every tilt
    that alternates along it, all moments at once, and hardly changes the image: the
    sign is not asked for. That of moments relative to each other is.
    """
    alternating = targets.rotation[..., 1, :]
    sign = jnp.where(alternating[:, :, :1] < 0, -1.0, 1.0)
    return targets._replace(
        rotation=targets.rotation.at[..., 1, :].set(sign * alternating)
    )


def channel_names(num_moments: int) -> tuple[str, ...]:
    """Names of `to_channels`' last axis, such as "tilt_alternating_z_P1_deg"."""
    moments = [f"P{number}" for number in range(num_moments)]
    tilts = [
        f"tilt_{beam}_{axis}_{moment}_deg"
        for moment in moments
        for beam in ("repeating", "alternating")
        for axis in AXES
    ]
    shifts = [
        f"shift_{atom}_{axis}_{moment}_pm"
        for moment in moments
        for atom in ATOMS
        for axis in AXES
    ]
    return (*tilts, *shifts)


def to_channels(targets: TargetMap) -> jax.Array:
    """Lines up all targets [y, x, channel], in degrees and pm."""
    side = targets.rotation.shape[:2]
    return jnp.concatenate(
        [targets.rotation.reshape(*side, -1), 100 * targets.shift.reshape(*side, -1)],
        axis=-1,
    )


def from_channels(channels: jax.Array, num_moments: int) -> TargetMap:
    """Undoes `to_channels`: maps [y, x, channel], degrees and pm, of all targets."""
    side, tilts = channels.shape[:2], 2 * len(AXES) * num_moments
    rotation = channels[..., :tilts].reshape(*side, num_moments, 2, len(AXES))
    shift = channels[..., tilts:].reshape(*side, num_moments, len(ATOMS), len(AXES))
    return TargetMap(rotation, shift / 100)


def signed_angles(targets: Targets) -> jax.Array:
    """Three angles of a whole crop [axis], degrees: in phase > 0, out of phase < 0.

    The published network predicts three tilt angles of a crop, or their 27 patterns
    of signs. A tilt's own sign means nothing without a reference octahedron; here the
    sign says the phase, as Glazer's superscripts do.
    """
    size = jnp.abs(targets.tilt[:, :, 0]).mean(axis=(0, 1))
    larger = jnp.argmax(size, axis=-1)
    sign = jnp.where(larger == PHASES.index("+"), 1.0, -1.0)
    return sign * jnp.max(size, axis=-1)


def glazer_class(angles_deg: jax.Array, threshold_deg: float) -> jax.Array:
    """Which of 27 patterns of signs [...]: 0 for "---", 13 for "000", 26 for "+++".

    Args:
      angles_deg: signed angles [..., axis], degrees.
      threshold_deg: smaller angles count as none.
    """
    large = jnp.abs(angles_deg) > threshold_deg
    digits = jnp.where(large, jnp.sign(angles_deg), 0).astype(jnp.int32) + 1
    return jnp.einsum("...a,a->...", digits, jnp.array([9, 3, 1]))
