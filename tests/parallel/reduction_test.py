"""Laws of the mean over devices: it is the mean, once, of values and of gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from parallel.mesh import DATA_AXIS, make_mesh, spmd
from parallel.reduction import ON_ONE_DEVICE, Reduction, mean_over

EXAMPLES = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
WEIGHTS = np.array([0.5, -1.0, 2.0], np.float32)


def _gradient(reduction: Reduction, num_devices: int):
    """Loss and gradient of a mean over EXAMPLES, its batch shared by the devices."""
    mesh = make_mesh(1, len(EXAMPLES), jax.devices()[:num_devices])
    assert mesh.shape[DATA_AXIS] == num_devices

    def step(weights, examples):
        def loss_fn(weights):
            return jnp.tanh(examples @ weights).mean()

        loss, grads = jax.value_and_grad(loss_fn)(reduction.as_local(weights))
        return reduction.mean(loss), reduction.reduce(grads)

    specs = (PartitionSpec(), PartitionSpec(DATA_AXIS))
    return spmd(step, mesh, specs, PartitionSpec())(WEIGHTS, EXAMPLES)


@pytest.mark.parametrize("num_devices", [1, 2, 4, 8])
def test_the_mean_over_devices_is_the_gradient_of_the_whole_batch(num_devices):
    def whole(weights):
        return jnp.tanh(EXAMPLES @ weights).mean()

    loss, grads = _gradient(mean_over(DATA_AXIS), num_devices)
    expected_loss, expected = jax.value_and_grad(whole)(WEIGHTS)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    np.testing.assert_allclose(grads, expected, rtol=1e-5)


def test_without_own_copies_gradients_are_many_times_too_large():
    """The trap that `as_local` exists for; if it goes, so may `as_local`."""
    expected = _gradient(mean_over(DATA_AXIS), 4)[1]
    careless = mean_over(DATA_AXIS)._replace(as_local=lambda params: params)
    np.testing.assert_allclose(_gradient(careless, 4)[1], 4 * expected, rtol=1e-5)


def test_one_device_needs_nobody():
    expected = _gradient(mean_over(DATA_AXIS), 1)
    np.testing.assert_array_equal(_gradient_alone()[1], expected[1])
    assert ON_ONE_DEVICE.axis_name is None


def _gradient_alone():
    def loss_fn(weights):
        return jnp.tanh(EXAMPLES @ weights).mean()

    loss, grads = jax.jit(jax.value_and_grad(loss_fn))(ON_ONE_DEVICE.as_local(WEIGHTS))
    return ON_ONE_DEVICE.mean(loss), ON_ONE_DEVICE.reduce(grads)
