import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion.gaussian_loss import gaussian_loss


def test_loss_is_the_normal_density_without_its_constant():
    mean, log_variance, target = jnp.array(0.3), jnp.array(-1.2), jnp.array(1.0)
    density = jax.scipy.stats.norm.logpdf(target, mean, jnp.exp(log_variance / 2))
    expected = -density - 0.5 * jnp.log(2 * jnp.pi)
    np.testing.assert_allclose(
        gaussian_loss(mean, log_variance, target), expected, rtol=1e-6
    )


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_beta_takes_the_variance_out_of_the_gradient_of_the_mean(beta):
    log_variance = jnp.array([-2.0, 0.0, 3.0])
    mean, target = jnp.array([0.1, 0.2, 0.3]), jnp.array([1.0, -2.0, 0.5])

    def total(mean, log_variance):
        return gaussian_loss(mean, log_variance, target, beta).sum()

    to_mean, to_variance = jax.grad(total, argnums=(0, 1))(mean, log_variance)
    weight = jnp.exp((beta - 1) * log_variance)
    np.testing.assert_allclose(to_mean, (mean - target) * weight, rtol=1e-5)
    # The optimum of the variance is where it was.
    squared = (mean - target) ** 2
    at_optimum = jax.grad(total, argnums=1)(mean, jnp.log(squared))
    np.testing.assert_allclose(at_optimum, 0, atol=1e-5)
    assert np.all(np.sign(to_variance) == np.sign(log_variance - jnp.log(squared)))


@pytest.mark.slow
def test_at_the_optimum_the_variance_is_that_of_what_is_left():
    target = 2 + 0.7 * jax.random.normal(jax.random.key(0), (1000,))

    def loss(p):
        one = jnp.ones_like(target)
        return gaussian_loss(p[0] * one, p[1] * one, target).mean()

    best = jnp.array([target.mean(), jnp.log(target.var())])
    np.testing.assert_allclose(jax.grad(loss)(best), 0, atol=1e-5)
    assert np.all(np.linalg.eigvalsh(jax.hessian(loss)(best)) > 0)
    # And descent from elsewhere goes there.
    point = jnp.array([0.0, 2.0])
    for _ in range(600):
        point -= 0.3 * jax.grad(loss)(point)
    np.testing.assert_allclose(point, best, atol=1e-3)
