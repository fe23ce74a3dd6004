"""Source by source or layer by layer: the same outputs and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.density.convolution import convolve
from inverse.density.dense_block import layer_by_layer, source_by_source

FAN_IN, GROWTH = 5, 3


def _block(num_layers):
    keys = jax.random.split(jax.random.key(0), num_layers + 1)
    x = jax.random.normal(keys[0], (2, 6, 4, FAN_IN))
    kernels = [
        jax.random.normal(key, (3, 3, FAN_IN + i * GROWTH, GROWTH))
        for i, key in enumerate(keys[1:])
    ]
    return x, kernels


def _half_of_layer_1(output, layer):
    return output.at[:, ::2].set(0.0) if layer == 1 else output


@pytest.mark.parametrize("num_layers", [1, 2, 4])
@pytest.mark.parametrize(
    "drop", [lambda output, layer: output, _half_of_layer_1], ids=["all", "some"]
)
def test_both_ways_give_the_same_outputs_and_gradients(num_layers, drop):
    def cost(dense_outputs, x, kernels):
        outputs = dense_outputs(x, kernels, convolve, drop)
        assert [o.shape for o in outputs] == [(2, 6, 4, GROWTH)] * num_layers
        return jnp.sum(jnp.sin(jnp.concatenate(outputs, axis=-1)))

    found, expected = (
        jax.value_and_grad(cost, argnums=(1, 2))(way, *_block(num_layers))
        for way in (source_by_source, layer_by_layer)
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_a_source_is_convolved_once():
    """As many convolutions as layers, and no layer's input is joined from parts."""
    x, kernels = _block(4)
    seen = []

    def counted(x, kernel):
        seen.append((x.shape[-1], kernel.shape[-1]))
        return convolve(x, kernel)

    source_by_source(x, kernels, counted, lambda output, layer: output)
    assert seen == [(FAN_IN, 4 * GROWTH)] + [(GROWTH, n * GROWTH) for n in (3, 2, 1)]
