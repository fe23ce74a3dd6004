"""An optimizer in parts takes the same steps, with a part of the memory on each."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from parallel.compiled import collectives
from parallel.compiler_options import compiler_options
from parallel.hlo_program import read_program
from parallel.mesh import DATA_AXIS, make_mesh
from parallel.plan_check import check_plan
from parallel.production_order import Gradient, production_order
from parallel.reduction import mean_over
from parallel.reduction_plan import make_plan
from parallel.reduction_route import sharded_route
from parallel.sharded_optimizer import sharded_optimizer

BATCH = 8
PARAMS = {
    "first": jax.random.normal(jax.random.key(0), (6, 7)),
    "last": jax.random.normal(jax.random.key(1), (7, 3)),
}
X = jax.random.normal(jax.random.key(2), (BATCH, 6))
NONE, BY_EXAMPLE = PartitionSpec(), PartitionSpec(DATA_AXIS)


def _loss(params, x):
    return jnp.mean((jnp.tanh(x @ params["first"]) @ params["last"]) ** 2)


def _plan(wire_dtype=None):
    order = production_order(jax.grad(_loss), PARAMS, X)
    return make_plan(order, "per_leaf", wire_dtype=wire_dtype)


def _specs(state):
    return jax.tree.map(lambda x: BY_EXAMPLE if x.ndim else NONE, state)


def _sharded(optimizer, num_devices, wire_dtype=None):
    """Returns (init, step) on a mesh."""
    mesh = make_mesh(1, BATCH, jax.devices()[:num_devices])
    parts = sharded_optimizer(optimizer, _plan(wire_dtype), DATA_AXIS)
    reduction = mean_over(DATA_AXIS)
    padded = [-(-42 // num_devices), -(-21 // num_devices)]
    shapes = [jax.ShapeDtypeStruct((n,), jnp.float32) for n in padded[::-1]]
    specs = _specs(jax.eval_shape(optimizer.init, shapes))

    def step(params, state, x):
        grads = jax.grad(_loss)(reduction.as_local(params), x)
        return parts.update(grads, state, params)

    init = jax.shard_map(parts.init, mesh=mesh, in_specs=NONE, out_specs=specs)
    sharded = jax.shard_map(
        step,
        mesh=mesh,
        in_specs=(NONE, specs, BY_EXAMPLE),
        out_specs=(NONE, specs),
    )
    return init, jax.jit(sharded, compiler_options=compiler_options("cpu"))


OPTIMIZERS = {
    "sgd": optax.sgd(0.1, momentum=0.9),
    "adam": optax.adam(1e-2),
    "adamw": optax.adamw(1e-2, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("num_devices", [1, 2, 8])
def test_steps_are_those_of_the_whole_optimizer(optimizer, num_devices):
    """Groups of 42 and 21 numbers: over 2 and 8 devices some parts are padded."""
    init, step = _sharded(optimizer, num_devices)
    params, state = PARAMS, init(PARAMS)
    expected, whole = PARAMS, optimizer.init(PARAMS)
    for _ in range(4):
        params, state = step(params, state, X)
        updates, whole = optimizer.update(jax.grad(_loss)(expected, X), whole, expected)
        expected = optax.apply_updates(expected, updates)
    for name, leaf in expected.items():
        np.testing.assert_allclose(params[name], leaf, rtol=2e-5, atol=1e-6)


def test_every_device_keeps_its_part_of_the_moments():
    init, _ = _sharded(OPTIMIZERS["adam"], 8)
    moments = [x for x in jax.tree.leaves(init(PARAMS)) if x.ndim]
    on_one = sum(x.addressable_shards[0].data.size for x in moments)
    assert on_one == 2 * (-(-42 // 8) + -(-21 // 8))


@pytest.mark.parametrize("wire_dtype", [None, "float16"])
def test_the_program_of_parts_does_as_planned(wire_dtype):
    """Sums travel in the wire's type, new parameters in their own."""
    init, step = _sharded(OPTIMIZERS["adam"], 2, wire_dtype)
    text = step.lower(PARAMS, init(PARAMS), X).compile().as_text()
    mesh = make_mesh(1, BATCH, jax.devices()[:2])
    verdict = check_plan(_plan(wire_dtype), text, sharded_route(mesh, DATA_AXIS))
    assert verdict.holds, verdict
    assert not check_plan(_plan(wire_dtype), text).holds


def test_a_narrow_wire_rounds_and_no_more():
    (_, whole), (_, narrow) = (
        _stepped(OPTIMIZERS["sgd"], dtype) for dtype in (None, "float16")
    )
    for name, leaf in whole.items():
        moved = np.abs(leaf - PARAMS[name]).max()
        np.testing.assert_allclose(narrow[name], leaf, atol=moved * 2**-8)
        assert not np.array_equal(narrow[name], leaf)


def _stepped(optimizer, wire_dtype):
    init, step = _sharded(optimizer, 8, wire_dtype)
    params, state = step(PARAMS, init(PARAMS), X)
    return state, params


def test_parameters_keep_their_types():
    params = {"wide": jnp.ones(5), "narrow": jnp.ones(3, jnp.bfloat16)}
    order = [Gradient(n, x.shape, "float32", 1.0) for n, x in params.items()]
    plan = make_plan(order, "one", wire_dtype="float32")
    parts = sharded_optimizer(optax.sgd(0.5), plan, DATA_AXIS)

    def step(params):
        grads = mean_over(DATA_AXIS).as_local(params)
        return parts.update(grads, parts.init(params), params)[0]

    mesh = make_mesh(1, BATCH, jax.devices())
    found = jax.shard_map(step, mesh=mesh, in_specs=NONE, out_specs=NONE)(params)
    for name, leaf in params.items():
        assert found[name].dtype == leaf.dtype
        np.testing.assert_array_equal(found[name], 0.5 * leaf)


def test_a_plan_that_parts_cannot_follow_is_refused():
    order = [Gradient("other", (3,), "float32", 1.0)]
    with pytest.raises(ValueError, match="'int8': parts of an optimizer keep no"):
        sharded_optimizer(
            optax.sgd(0.1), make_plan(order, wire_dtype="int8", policy="one"), "data"
        )
    parts = sharded_optimizer(optax.sgd(0.1), make_plan(order, "one"), DATA_AXIS)
    mesh = make_mesh(1, BATCH, jax.devices())
    with pytest.raises(ValueError, match="is of other gradients: first, last, other"):
        jax.shard_map(parts.init, mesh=mesh, in_specs=NONE, out_specs=BY_EXAMPLE)(
            PARAMS
        )


def test_every_group_is_scattered_and_gathered_once():
    init, step = _sharded(OPTIMIZERS["adam"], 2)
    text = step.lower(PARAMS, init(PARAMS), X).compile().as_text()
    kinds = sorted(one.kind for one in collectives(read_program(text)))
    assert kinds == ["all-gather"] * 2 + ["reduce-scatter"] * 2
