"""LARC by hand, the published schedule, and the average."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from inverse.optimizer import adam, averaged, published_schedule, scale_by_larc

PARAMS = {
    "block": {"a": jnp.array([3.0, 0.0]), "b": jnp.array([4.0])},
    "other": {"a": jnp.array([1.0])},
}


def _scaled(grads, params=PARAMS, **settings):
    larc = scale_by_larc(**settings)
    return larc.update(grads, larc.init(params), params)[0]


def test_a_block_has_one_ratio():
    """|w| = 5 and |g| = 10 in the first block, 1 and 0.5 in the second."""
    grads = {
        "block": {"a": jnp.array([6.0, 0.0]), "b": jnp.array([8.0])},
        "other": {"a": jnp.array([0.5])},
    }
    found = _scaled(grads, trust=0.1, epsilon=0.0)
    np.testing.assert_allclose(found["block"]["a"], [6 * 0.05, 0], rtol=1e-6)
    np.testing.assert_allclose(found["block"]["b"], [8 * 0.05], rtol=1e-6)
    np.testing.assert_allclose(found["other"]["a"], [0.5 * 0.2], rtol=1e-6)


@pytest.mark.parametrize(("size", "factor"), [(1e9, 1e-4), (1e-9, 1.0), (0.0, 1.0)])
def test_the_factor_is_bounded(size, factor):
    grads = jax.tree.map(lambda x: jnp.full_like(x, size), PARAMS)
    found = _scaled(grads)
    for leaf in jax.tree.leaves(found):
        np.testing.assert_allclose(leaf, size * factor, rtol=1e-6)


def test_without_parameters_it_says_what_is_missing():
    with pytest.raises(ValueError, match="pass params"):
        scale_by_larc().update(PARAMS, optax.EmptyState())


def test_the_published_schedule_warms_decays_and_is_capped():
    rate = published_schedule(1e-4, 0.99, 10, 100, 1.5e-4)
    for step, expected in [
        (0, 1e-4),
        (9, 1e-4 * 1.09),
        (10, 1e-4 * 0.99 * 1.1),
        (35, 1e-4 * 0.99**3 * 1.35),
        (90, 1.5e-4),
    ]:
        np.testing.assert_allclose(rate(jnp.int32(step)), expected, rtol=1e-5)


def test_weight_decay_is_that_of_a_quadratic_cost():
    def cost(params):
        return 0.5 * 0.1 * optax.tree.norm(params, squared=True)

    rate = optax.constant_schedule(1e-3)
    with_decay = adam(rate, weight_decay=0.1, larc=False)
    plain = adam(rate, weight_decay=0.0, larc=False)
    grads = jax.tree.map(jnp.ones_like, PARAMS)
    decayed, _ = with_decay.update(grads, with_decay.init(PARAMS), PARAMS)
    summed = jax.tree.map(jnp.add, grads, jax.grad(cost)(PARAMS))
    expected, _ = plain.update(summed, plain.init(PARAMS), PARAMS)
    for a, b in zip(jax.tree.leaves(decayed), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_the_average_forgets_its_start_and_then_slows_down():
    average = {"w": jnp.float32(0)}
    one = {"w": jnp.float32(1)}
    first = averaged(one, average, jnp.int32(0), 0.9999)["w"]
    np.testing.assert_allclose(first, 0.9, rtol=1e-6)
    late = averaged(one, average, jnp.int32(10**7), 0.9999)["w"]
    np.testing.assert_allclose(late, 1e-4, rtol=1e-3)
