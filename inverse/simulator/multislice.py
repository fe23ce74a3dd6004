"""Waves through a specimen, slice by slice.

psi <- F^-1[P F(t psi)] (Cowley and Moodie 1957): t is the transmission of a slice, P
Fresnel propagation to the next one; both are limited to two thirds of Nyquist, so that
their product does not alias.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from inverse.simulator.electron import interaction_parameter, wavelength_a
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid

# Pixels from which a turn of the loop takes two slices, which on a processor saves a
# copy of waves that fill its cache: 8 % of the time at 256 x 256, 3 % at 512 x 512.
_LARGE = 192**2


def propagator(
    grid: Grid,
    energy_ev: float,
    thickness_a: jax.Array,
    tilt_mrad: jax.Array | tuple[float, float] = (0.0, 0.0),
) -> jax.Array:
    """Fresnel propagation over `thickness_a` [A] in reciprocal space [y, x].

    exp(-i pi lambda dz k^2), band-limited. A specimen tilted by small angles is one
    whose slices are displaced against each other, by dz tan(tilt) from each to the
    next.

    Args:
      grid: of the waves.
      energy_ev: of the beam.
      thickness_a: of a slice.
      tilt_mrad: of the specimen along (x, y).
    """
    wavelength = wavelength_a(energy_ev)
    ky, kx = (jnp.asarray(k, jnp.float32) for k in grid.frequencies())
    shift_x, shift_y = (jnp.tan(1e-3 * t) for t in tilt_mrad)
    turns = -0.5 * wavelength * (ky**2 + kx**2) + kx * shift_x + ky * shift_y
    return jnp.asarray(grid.band_limit()) * jnp.exp(2j * jnp.pi * thickness_a * turns)


def transmission(potential: jax.Array, energy_ev: float, grid: Grid) -> jax.Array:
    """exp(i sigma V), band-limited.

    Args:
      potential: of slices, projected [..., y, x] [V A].
      energy_ev: of the beam.
      grid: of the potential.
    """
    phase = interaction_parameter(energy_ev) * potential
    limit = jnp.asarray(grid.band_limit())
    limit = limit.reshape((1,) * (potential.ndim - 2) + limit.shape)
    return jnp.fft.ifft2(limit * jnp.fft.fft2(jnp.exp(1j * phase)))


def multislice(
    waves: jax.Array,
    transmission_fn: Callable[[jax.Array], jax.Array],
    propagate: jax.Array,
    num_slices: int | jax.Array,
    first: int | jax.Array = 0,
) -> jax.Array:
    """Sends waves through slices `first` ... `num_slices` - 1.

    Args:
      waves: [p, y, x] complex64.
      transmission_fn: number of a slice -> its transmission [y, x]. A stack of slices
        that repeat is `lambda i: stack[order[i]]`; slices may also be computed here.
      propagate: see propagator [y, x].
      num_slices: a Python number, or an array where thickness is drawn; only the
        former can be differentiated.
      first: slice to begin with.

    Returns:
      Waves behind the last slice [p, y, x].
    """

    def step(i, waves):
        waves = waves * transmission_fn(i)[None]
        return jnp.fft.ifft2(propagate[None] * jnp.fft.fft2(waves))

    known = isinstance(first, int) and isinstance(num_slices, int)
    large = math.prod(waves.shape[-2:]) >= _LARGE
    unroll = {"unroll": 2} if known and large else {}
    return lax.fori_loop(first, num_slices, step, waves, **unroll)


def multislice_planes(
    waves: jax.Array,
    transmission_fn: Callable[[jax.Array], jax.Array],
    propagate: jax.Array,
    planes: Sequence[int],
) -> jax.Array:
    """Waves behind several thicknesses, from one pass.

    Args:
      waves: [p, y, x].
      transmission_fn: see multislice.
      propagate: see propagator.
      planes: numbers of slices, increasing.

    Returns:
      [planes, p, y, x].
    """
    if not planes or any(b <= a for a, b in zip((0, *planes), planes, strict=False)):
        raise SimulatorError(f"exit planes {tuple(planes)}: must be increasing.")
    exits = []
    for first, last in zip((0, *planes), planes, strict=False):
        waves = multislice(waves, transmission_fn, propagate, last, first)
        exits.append(waves)
    return jnp.stack(exits)
