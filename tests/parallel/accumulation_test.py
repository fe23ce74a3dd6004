"""Working through a batch in parts changes nothing, and reduces once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from parallel.accumulation import accumulated
from parallel.compiled import collectives
from parallel.hlo_program import read_program
from parallel.mesh import DATA_AXIS, make_mesh
from parallel.reduction import mean_over

X = jax.random.normal(jax.random.key(0), (24, 5))
Y = jax.random.normal(jax.random.key(1), (24,))
PARAMS = {"w": jnp.arange(5.0), "b": jnp.zeros(1)}


def _loss(params, x, y):
    return jnp.mean((jnp.tanh(x @ params["w"]) + params["b"] - y) ** 2)


@pytest.mark.parametrize("parts", [1, 2, 3, 24])
def test_parts_add_up_to_the_whole(parts):
    found = jax.jit(accumulated(jax.value_and_grad(_loss), parts))(PARAMS, X, Y)
    expected = jax.value_and_grad(_loss)(PARAMS, X, Y)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6)


def test_gradients_keep_their_type():
    params = jax.tree.map(lambda x: x.astype(jnp.bfloat16), PARAMS)
    _, grads = accumulated(jax.value_and_grad(_loss), 2)(params, X, Y)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(grads)} == {"bfloat16"}


@pytest.mark.parametrize("parts", [2, 1024])
def test_parts_are_summed_wider_than_they_are(parts):
    """A sum of ones in bfloat16 stays at 256."""

    def loss(w, x):
        return jnp.mean(w * x)

    ones = jnp.ones(1024, jnp.bfloat16)
    found = jax.jit(accumulated(jax.value_and_grad(loss), parts))(ones[0], ones)
    assert [float(x) for x in found] == [1, 1]


@pytest.mark.parametrize("parts", [1, 4])
def test_any_number_of_parts_has_one_set_of_reductions(parts):
    reduction = mean_over(DATA_AXIS)

    def step(params, x, y):
        grad_fn = accumulated(jax.value_and_grad(_loss), parts)
        loss, grads = grad_fn(reduction.as_local(params), x, y)
        return reduction.mean(loss), reduction.reduce(grads)

    sharded = jax.shard_map(
        step,
        mesh=make_mesh(1, 8, jax.devices()[:2]),
        in_specs=(PartitionSpec(), PartitionSpec(DATA_AXIS), PartitionSpec(DATA_AXIS)),
        out_specs=PartitionSpec(),
    )
    compiled = jax.jit(sharded).lower(PARAMS, X[:16], Y[:16]).compile()
    program = read_program(compiled.as_text())
    found = collectives(program)
    assert sum(one.num_bytes for one in found) == 4 * (1 + 5 + 1)
    assert {one.computation for one in found} == {program.entry}


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="24 does not divide into 5"):
        accumulated(jax.value_and_grad(_loss), 5)(PARAMS, X, Y)
    with pytest.raises(ValueError, match="one number: it has no examples"):
        accumulated(jax.value_and_grad(_loss), 2)(PARAMS, X, jnp.zeros(()))
    with pytest.raises(ValueError, match="1 or more"):
        accumulated(_loss, 0)
