"""Losses by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.density import losses

ERRORS = jnp.array([-3.0, -0.5, 0.0, 0.25, 2.0])
ZEROS = jnp.zeros(5)


def test_absolute_and_squared_errors():
    np.testing.assert_allclose(losses.l1(ERRORS, ZEROS, 0), [3, 0.5, 0, 0.25, 2])
    np.testing.assert_allclose(losses.mse(ERRORS, ZEROS, 0), [9, 0.25, 0, 0.0625, 4])


@pytest.mark.parametrize(
    ("step", "delta"), [(0, 1.0), (50, 0.1), (100, 0.01), (999, 0.01)]
)
def test_the_hubers_corner_shrinks_and_stays(step, delta):
    huber = losses.shrinking_huber(1.0, 0.01, 100)
    size = np.abs(ERRORS)
    expected = np.where(size < delta, size**2 / (2 * delta), size - delta / 2)
    np.testing.assert_allclose(huber(ERRORS, ZEROS, step), expected, rtol=1e-5)
    slope = jax.vmap(jax.grad(lambda e: huber(e, 0.0, step)))(ERRORS)
    assert (jnp.abs(slope) <= 1 + 1e-6).all()
    assert slope[0] == -1 and slope[-1] == 1
