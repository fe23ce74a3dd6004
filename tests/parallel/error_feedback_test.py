"""Bytes on the wire: what is lost is sent a step later, so training gets as far."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from parallel.compiled import collectives
from parallel.error_feedback import compressed
from parallel.hlo_program import read_program
from parallel.mesh import DATA_AXIS, make_mesh, spmd
from parallel.plan_check import check_plan
from parallel.production_order import Gradient, production_order
from parallel.reduction import mean_over, planned
from parallel.reduction_plan import make_plan

FEATURES, EXAMPLES, STEPS, RATE = 21, 64, 300, 0.1
SPLIT, ALL = PartitionSpec(DATA_AXIS), PartitionSpec()


def _data():
    """Inputs of very unequal sizes: small gradients drown in a byte's unit."""
    keys = jax.random.split(jax.random.key(0), 3)
    sizes = jnp.logspace(0, -1.5, FEATURES)
    x = jax.random.normal(keys[0], (EXAMPLES, FEATURES)) * sizes[None]
    noise = jax.random.normal(keys[1], (EXAMPLES,)) / 10
    return x, x @ (jax.random.normal(keys[2], (FEATURES,)) / sizes) + noise


def _loss(params, x, y):
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


PARAMS = {"w": jnp.zeros(FEATURES), "b": jnp.zeros(())}


def _plan(wire_dtype, policy="per_leaf"):
    x, y = _data()
    order = production_order(jax.grad(_loss), PARAMS, x, y)
    return make_plan(order, policy, wire_dtype=wire_dtype)


def _mesh(num_devices=8):
    return make_mesh(1, EXAMPLES, jax.devices()[:num_devices])


def _trained(wire_dtype, keeps=True):
    """The loss after training; `keeps` false forgets what rounding lost."""
    reduction = mean_over(DATA_AXIS)
    if wire_dtype == "int8":
        small = compressed(_plan(wire_dtype), DATA_AXIS)
    elif wire_dtype != "float32":
        reduction = planned(_plan(wire_dtype), DATA_AXIS)

    def train(x, y):
        def step(state, _):
            params, lost = state
            grads = jax.grad(_loss)(reduction.as_local(params), x, y)
            if wire_dtype == "int8":
                grads, after = small.reduce(grads, lost)
                lost = after if keeps else lost
            else:
                grads = reduction.reduce(grads)
            params = jax.tree.map(lambda p, g: p - RATE * g, params, grads)
            return (params, lost), None

        lost = small.init(PARAMS) if wire_dtype == "int8" else None
        (params, _), _ = jax.lax.scan(step, (PARAMS, lost), length=STEPS)
        return params

    params = spmd(train, _mesh(), (SPLIT, SPLIT), ALL)(*_data())
    return float(_loss(params, *_data()))


@functools.cache
def _exact():
    return _trained("float32")


@pytest.mark.parametrize("wire_dtype", ["bfloat16", "float16", "int8"])
def test_training_over_a_narrow_wire_gets_as_far(wire_dtype):
    assert _exact() < _loss(PARAMS, *_data()) / 4
    assert _trained(wire_dtype) == pytest.approx(_exact(), rel=1e-4)


def test_bytes_without_the_memory_do_worse():
    with_memory, without = _trained("int8"), _trained("int8", keeps=False)
    assert abs(without - _exact()) > 3 * abs(with_memory - _exact())


@pytest.mark.parametrize("num_devices", [1, 2, 8])
def test_what_is_lost_is_kept_to_the_last_bit_that_matters(num_devices):
    """Results and residuals together are the plain mean of the gradients."""
    reduction = compressed(_plan("int8", "one"), DATA_AXIS)

    def once(x, y):
        grads = jax.grad(_loss)(mean_over(DATA_AXIS).as_local(PARAMS), x, y)
        found, lost = reduction.reduce(grads, reduction.init(PARAMS))
        sending = jax.lax.pmean(lost[0][0], DATA_AXIS)
        gathering = jax.lax.all_gather(
            lost[0][1], DATA_AXIS, tiled=True, to="invarying"
        )
        expected = jax.lax.pmean(grads, DATA_AXIS)
        return found, sending + gathering, expected

    specs = (SPLIT, SPLIT)
    step = spmd(once, _mesh(num_devices), specs, ALL)
    found, lost, expected = step(*_data())
    names = [name for group in _plan("int8", "one").groups for name in group.names]
    flat = {
        key: np.concatenate([np.ravel(tree[name]) for name in names])
        for key, tree in (("found", found), ("expected", expected))
    }
    whole = flat["found"] + np.asarray(lost)[: FEATURES + 1]
    largest = np.abs(flat["expected"]).max()
    np.testing.assert_allclose(whole, flat["expected"], atol=1e-6 * largest)
    assert 0 < np.abs(flat["found"] - flat["expected"]).max() < largest / 25


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_seen_once_and_not_remembered(bad):
    """A step that overflows is told from a good one, and the next is as if it was not.

    One device of eight has one bad number; the mean of ones is one, to a byte.
    """
    order = [Gradient("w", (16,), "float32", 1.0)]
    reduction = compressed(make_plan(order, "one", wire_dtype="int8"), DATA_AXIS)

    def steps(_):
        ones = {"w": jax.lax.pcast(jnp.ones(16), (DATA_AXIS,), to="varying")}
        here = jax.lax.axis_index(DATA_AXIS) == 3
        broken = {"w": ones["w"].at[5].set(jnp.where(here, bad, 1.0))}
        lost, found = reduction.init(ones), []
        for grads in (broken, ones, ones):
            mean, lost = reduction.reduce(grads, lost)
            found.append(mean["w"])
        return found

    first, *others = spmd(steps, _mesh(), SPLIT, ALL)(jnp.zeros(8))
    assert not np.isfinite(first).all()
    for mean in others:
        np.testing.assert_allclose(mean, np.ones(16), rtol=1e-2)


def test_a_group_of_nothing_is_reduced_to_nothing():
    order = [Gradient("w", (0,), "float32", 1.0), Gradient("v", (3,), "float32", 1.0)]
    plan = make_plan(order, "per_leaf", wire_dtype="int8")
    reduction = compressed(plan, DATA_AXIS)

    def once(_):
        grads = {"w": jnp.zeros(0), "v": jnp.ones(3)}
        grads = mean_over(DATA_AXIS).as_local(grads)
        return reduction.reduce(grads, reduction.init(grads))[0]

    found = spmd(once, _mesh(), SPLIT, ALL)(jnp.zeros(8))
    assert found["w"].shape == (0,)
    np.testing.assert_allclose(found["v"], np.ones(3), rtol=1e-2)


def _text(policy):
    reduction = compressed(_plan("int8", policy), DATA_AXIS)

    def once(x, y):
        grads = jax.grad(_loss)(mean_over(DATA_AXIS).as_local(PARAMS), x, y)
        return reduction.reduce(grads, reduction.init(PARAMS))[0]

    step = spmd(once, _mesh(), (SPLIT, SPLIT), ALL)
    return step.lower(*_data()).compile().as_text()


def test_the_plan_of_bytes_holds_and_another_does_not():
    text = _text("per_leaf")
    verdict = check_plan(_plan("int8", "per_leaf"), text)
    assert verdict.holds, verdict
    verdict = check_plan(_plan("int8", "one"), text)
    assert "all-to-all and all-gather of 24 bytes each, but is" in str(verdict)
    without = "\n".join(x for x in text.splitlines() if "all-to-all" not in x)
    assert not check_plan(_plan("int8", "per_leaf"), without).holds


def test_only_bytes_and_their_units_travel():
    found = collectives(read_program(_text("one")))
    arrays = [array for one in found for array in one.arrays]
    wide = [array.size for array in arrays if array.dtype != "s8"]
    narrow = sum(array.size for array in arrays if array.dtype == "s8")
    assert all("reduction_group_0" in one.op_name for one in found)
    assert narrow == 2 * 24  # 22 numbers, padded to eight parts, there and back
    assert sum(wide) == 2 * 8


def test_bytes_are_refused_where_nothing_remembers_what_they_lose():
    with pytest.raises(ValueError, match="error_feedback"):
        planned(_plan("int8"), DATA_AXIS)
    with pytest.raises(ValueError, match="needs no error feedback"):
        compressed(_plan("bfloat16"), DATA_AXIS)
