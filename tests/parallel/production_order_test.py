"""Gradients are listed as the backward pass makes them, whatever the program's form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from parallel.mesh import DATA_AXIS, make_mesh
from parallel.production_order import production_order

DEPTH, WIDTH, BATCH = 5, 8, 4
# A pytree's own order is alphabetical: neither of these is the network's.
NAMES = ["m", "c", "z", "a", "k"]
X = jnp.ones((BATCH, WIDTH))


def _weights(names=NAMES):
    key = jax.random.key(0)
    return {
        name: {
            "kernel": jax.random.normal(jax.random.fold_in(key, i), (WIDTH, WIDTH)),
            "bias": jnp.zeros(WIDTH),
        }
        for i, name in enumerate(names)
    }


def _layer(weights, x):
    return jnp.tanh(x @ weights["kernel"] + weights["bias"][None])


def _loss(weights, x, names=NAMES, layer=_layer):
    for name in names:
        x = layer(weights[name], x)
    return jnp.sum(x**2)


def _blocks(gradients):
    """Blocks in the order in which their last gradient appears."""
    seen = {}
    for place, gradient in enumerate(gradients):
        seen[gradient.name.split("/")[0]] = place
    return sorted(seen, key=seen.get)


@jax.custom_vjp
def _custom(weights, x):
    return _layer(weights, x)


def _custom_forward(weights, x):
    return _layer(weights, x), (weights, x)


def _custom_backward(kept, slopes):
    return jax.vjp(_layer, *kept)[1](slopes)


_custom.defvjp(_custom_forward, _custom_backward)

LAYERS = {
    "plain": _layer,
    "jit": jax.jit(_layer),
    "remat": jax.checkpoint(_layer),
    "custom_vjp": _custom,
    "remat of jit": jax.checkpoint(jax.jit(_layer)),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], sorted(NAMES)])
def test_the_last_layer_comes_first(layer, names):
    loss = functools.partial(_loss, names=names, layer=layer)
    found = production_order(jax.grad(loss), _weights(names), X)
    assert _blocks(found) == names[::-1]
    assert {g.name for g in found} == {
        f"{name}/{leaf}" for name in names for leaf in ("kernel", "bias")
    }


def test_under_shard_map_and_jit_the_order_is_the_same():
    mesh = make_mesh(1, BATCH, jax.devices()[:2])
    spec = (PartitionSpec(), PartitionSpec(DATA_AXIS))
    sharded = jax.shard_map(
        jax.grad(_loss), mesh=mesh, in_specs=spec, out_specs=PartitionSpec()
    )
    expected = production_order(jax.grad(_loss), _weights(), X)
    found = production_order(jax.jit(sharded), _weights(), X)
    assert [g.name for g in found] == [g.name for g in expected]


def test_what_is_done_to_all_gradients_at_the_end_changes_no_order():
    def scaled(weights, x):
        grads = jax.grad(_loss)(weights, x)
        return jax.tree.map(lambda g: (g / 7).astype(jnp.bfloat16), grads)

    expected = production_order(jax.grad(_loss), _weights(), X)
    found = production_order(scaled, _weights(), X)
    assert [(g.name, g.ready) for g in found] == [(g.name, g.ready) for g in expected]
    assert {g.dtype for g in found} == {"bfloat16"}


def test_a_shared_weight_is_there_after_its_first_use_in_the_forward_pass():
    names = ["a", "b", "a", "c"]
    weights = _weights(["a", "b", "c"])
    found = production_order(
        jax.grad(functools.partial(_loss, names=names)), weights, X
    )
    assert _blocks(found) == ["c", "b", "a"]


def test_a_loop_returns_all_its_gradients_at_its_end():
    def loss(weights, x):
        x = _layer(weights["first"], x)
        x, _ = jax.lax.scan(lambda x, w: (_layer(w, x), None), x, weights["looped"])
        return jnp.sum(_layer(weights["last"], x) ** 2)

    looped = jax.tree.map(lambda x: jnp.stack([x] * 3), _weights(["w"])["w"])
    weights = {**_weights(["first", "last"]), "looped": looped}
    found = production_order(jax.grad(loss), weights, X)
    assert _blocks(found) == ["last", "looped", "first"]
    assert len({g.ready for g in found if g.name.startswith("looped")}) == 1


def test_the_gradient_of_an_unused_weight_comes_last():
    weights = {**_weights(), "0_unused": jnp.ones(3)}
    found = production_order(jax.grad(_loss), weights, X)
    assert found[-1].name == "0_unused"
    assert found[-1].ready == 1


def test_the_share_of_the_work_is_that_of_the_products():
    """Forward: DEPTH products; backward: two per layer, one for the first layer."""
    found = production_order(jax.grad(_loss), _weights(), X)
    shares = [g.ready for g in found if g.name.endswith("kernel")]
    products = 3 * DEPTH - 1
    # The last layer's kernel waits for the forward pass and its own product; from
    # then on each waits for the slope of the layer above as well.
    first = DEPTH + 1
    expected = [min(first + 2 * i, products) / products for i in range(DEPTH)]
    np.testing.assert_allclose(shares, expected, atol=1.01 / products)
    assert shares[-1] == 1


def _convolution(x, kernel, strides, padding):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def test_convolutions_count_their_multiplications_in_every_direction():
    """The work of both gradients equals that of the forward pass."""
    x, kernel = jnp.ones((2, 16, 16, 3)), jnp.ones((4, 4, 3, 5))

    def loss(weights, x):
        y = _convolution(x, weights["one"], (2, 2), [(1, 1)] * 2)
        return jnp.sum(_convolution(y, weights["two"], (1, 1), "SAME") ** 2)

    weights = {"one": kernel, "two": jnp.ones((3, 3, 5, 7))}
    found = {g.name: g.ready for g in production_order(jax.grad(loss), weights, x)}
    one = 2 * (2 * 8 * 8 * 5) * (4 * 4 * 3)
    two = 2 * (2 * 8 * 8 * 7) * (3 * 3 * 5)
    total = 2 * one + 3 * two
    assert found["one"] == 1
    assert found["two"] in (
        pytest.approx((one + 2 * two) / total),
        pytest.approx((one + 3 * two) / total),
    )


def test_a_thousand_gradients_are_ordered_in_under_a_second_of_tracing_apart():
    names = [f"n{i:03d}" for i in range(250)]
    loss = functools.partial(_loss, names=names)
    found = production_order(jax.grad(loss), _weights(names), X)
    assert _blocks(found) == names[::-1]
