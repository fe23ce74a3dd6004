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
from parallel.production_order import production_order
from parallel.reduction import mean_over
from parallel.reduction_plan import make_plan
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


def _plan():
    return make_plan(production_order(jax.grad(_loss), PARAMS, X), "per_leaf")


def _specs(state):
    return jax.tree.map(lambda x: BY_EXAMPLE if x.ndim else NONE, state)


def _sharded(optimizer, num_devices):
    """Returns (init, step) on a mesh."""
    mesh = make_mesh(1, BATCH, jax.devices()[:num_devices])
    parts = sharded_optimizer(optimizer, _plan(), DATA_AXIS)
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


def test_every_group_is_scattered_and_gathered_once():
    init, step = _sharded(OPTIMIZERS["adam"], 2)
    text = step.lower(PARAMS, init(PARAMS), X).compile().as_text()
    kinds = sorted(one.kind for one in collectives(read_program(text)))
    assert kinds == ["all-gather"] * 2 + ["reduce-scatter"] * 2
