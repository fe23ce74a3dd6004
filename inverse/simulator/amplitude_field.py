"""Smooth fields over the cells of a crystal: constant, graded, waving, with walls."""

import jax
import jax.numpy as jnp

DEPTH_KINDS = ("constant", "linear", "sinusoidal", "wall")
LATERAL_KINDS = ("constant", "sinusoidal", "wall")


def depth_profiles(
    layers: int, depth: jax.Array, phase: jax.Array, width: jax.Array
) -> jax.Array:
    """Profiles along the beam [kind, z] within -1..1, in the order of DEPTH_KINDS.

    Args:
      layers: number of cells along z, padding included.
      depth: number of cells that exist [].
      phase: where a wave begins or a wall lies, how steep a line falls [], 0..1.
      width: of the wall [], cells.
    """
    centre = jnp.arange(layers) + 0.5
    t = centre / depth
    return jnp.stack(
        [
            jnp.ones(layers),
            1 - 2 * phase * t,
            jnp.sin(2 * jnp.pi * (t + phase)),
            jnp.tanh((centre - (0.2 + 0.6 * phase) * depth) / width),
        ]
    )


def lateral_profiles(
    shape: tuple[int, int], direction: jax.Array, phase: jax.Array, width: jax.Array
) -> jax.Array:
    """Profiles across the beam [kind, x, y] within -1..1, as in LATERAL_KINDS.

    Args:
      shape: cells along x and y; the profiles repeat over them, so walls are pairs.
      direction: 0 varies along x, 1 along y [].
      phase: of the wave or the pair of walls [], 0..1.
      width: of the walls [], cells.
    """
    x = (jnp.arange(shape[0]) + 0.5)[:, None] / shape[0]
    y = (jnp.arange(shape[1]) + 0.5)[None, :] / shape[1]
    along = jnp.where(direction == 0, x + 0 * y, y + 0 * x)
    wave = jnp.cos(2 * jnp.pi * (along + phase))
    period = jnp.where(direction == 0, shape[0], shape[1])
    # Near its zeros the wave has a slope of 2 pi / period: tanh(distance / width).
    wall = jnp.tanh(wave * period / (2 * jnp.pi * width))
    return jnp.stack([jnp.ones(shape), wave, wall])


def draw_profile(
    key: jax.Array,
    counts: tuple[int, int, int],
    depth: jax.Array,
    depth_weights: tuple[float, ...],
    lateral_weights: tuple[float, ...],
) -> jax.Array:
    """Draws one field [x, y, z] within -1..1: a profile in depth times one across.

    Args:
      key: of this field.
      counts: cells along x, y and z, padding included.
      depth: number of cells along z that exist [].
      depth_weights: how often each of DEPTH_KINDS is drawn.
      lateral_weights: how often each of LATERAL_KINDS is drawn.
    """
    kinds, phases, widths, side = jax.random.split(key, 4)
    kind_keys = jax.random.split(kinds)
    phase = jax.random.uniform(phases, (2,))
    width = jax.random.uniform(widths, (2,), minval=0.5, maxval=3.0)
    direction = jax.random.randint(side, (), 0, 2)
    in_depth = jax.random.choice(
        kind_keys[0], len(DEPTH_KINDS), p=_normalised(depth_weights)
    )
    across = jax.random.choice(
        kind_keys[1], len(LATERAL_KINDS), p=_normalised(lateral_weights)
    )
    along_z = depth_profiles(counts[2], depth, phase[0], width[0])[in_depth]
    lateral = lateral_profiles(counts[:2], direction, phase[1], width[1])[across]
    return lateral[:, :, None] * along_z[None, None, :]


def _normalised(weights: tuple[float, ...]) -> jax.Array:
    return jnp.array(weights) / sum(weights)
