"""Fields along the beam as Legendre moments."""

import jax
import jax.numpy as jnp


def legendre(num_moments: int, t: jax.Array) -> jax.Array:
    """Legendre polynomials P0, P1, ... [moment, ...] at `t`."""
    values = [jnp.ones_like(t), t]
    for n in range(1, num_moments - 1):
        values.append(((2 * n + 1) * t * values[n] - n * values[n - 1]) / (n + 1))
    return jnp.stack(values[:num_moments])


def polynomials_over(depth: jax.Array, num_moments: int, num_layers: int) -> jax.Array:
    """Legendre polynomials over the cells that exist [moment, layer], 0 in others.

    t runs from -1 at the entrance to 1 at the exit. Each is made orthogonal to the
    lower ones over those cells, so that the mean leaks into no other moment.

    Args:
      depth: number of cells that exist [], at least `num_moments`.
      num_moments: of polynomials.
      num_layers: of the field, those that do not exist included.
    """
    layers = jnp.arange(num_layers)
    exists = layers < depth
    polynomials = legendre(num_moments, (2 * layers + 1) / depth - 1)
    basis = [exists * polynomials[0]]
    for polynomial in polynomials[1:]:
        for earlier in basis:
            shared = jnp.sum(polynomial * earlier) / jnp.sum(earlier**2)
            polynomial = exists * (polynomial - shared * earlier)
        basis.append(polynomial)
    return jnp.stack(basis)


def depth_moments(field: jax.Array, depth: jax.Array, num_moments: int) -> jax.Array:
    """Moments [x, y, moment, ...] of a field [x, y, z, ...] over `depth` cells.

    Moment l is the coefficient of P_l in the least-squares series, see
    `polynomials_over`: a constant has moment 0 only, a line 0 and 1 only.
    """
    basis = polynomials_over(depth, num_moments, field.shape[2])
    squares = jnp.sum(basis**2, axis=1, keepdims=True)
    weights = basis / jnp.maximum(squares, 1e-6)
    return jnp.einsum("xyz...,lz->xyl...", field, weights, precision="highest")
