"""Fields along the beam as Legendre moments."""

import jax
import jax.numpy as jnp


def legendre(num_moments: int, t: jax.Array) -> jax.Array:
    """Legendre polynomials P0, P1, ... [moment, ...] at `t`."""
    values = [jnp.ones_like(t), t]
    for n in range(1, num_moments - 1):
        values.append(((2 * n + 1) * t * values[n] - n * values[n - 1]) / (n + 1))
    return jnp.stack(values[:num_moments])


def depth_moments(field: jax.Array, depth: jax.Array, num_moments: int) -> jax.Array:
    """Moments [x, y, moment, ...] of a field [x, y, z, ...] over `depth` cells.

    Moment l is the coefficient of P_l in the least-squares series, t running from -1
    at the entrance to 1 at the exit, with each polynomial made orthogonal to the lower
    ones over the cells that exist: a constant has moment 0 only, a line 0 and 1 only.
    """
    layers = jnp.arange(field.shape[2])
    exists = layers < depth
    polynomials = legendre(num_moments, (2 * layers + 1) / depth - 1)
    # Orthogonal over the cells that exist, so that the mean leaks into no other.
    basis = [exists * polynomials[0]]
    for polynomial in polynomials[1:]:
        for earlier in basis:
            shared = jnp.sum(polynomial * earlier) / jnp.sum(earlier**2)
            polynomial = exists * (polynomial - shared * earlier)
        basis.append(polynomial)
    weights = jnp.stack([b / jnp.maximum(jnp.sum(b**2), 1e-6) for b in basis])
    return jnp.einsum("xyz...,lz->xyl...", field, weights, precision="highest")
