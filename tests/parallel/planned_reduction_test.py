"""A planned reduction is the plain mean, and the compiled program does as planned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core
from jax.sharding import PartitionSpec

from parallel.errors import RunError
from parallel.mesh import DATA_AXIS, make_mesh
from parallel.plan_check import check_plan, require_plan
from parallel.production_order import Gradient
from parallel.reduction import mean_over, planned
from parallel.reduction_plan import make_plan
from parallel.reduction_route import (
    planned_route,
)
from tests.parallel.planned_steps import (
    BATCH,
    POLICIES,
    compiled_step,
    examples,
    gradients,
    plain,
    plan_of,
    two_axes,
    weights,
)


@pytest.mark.parametrize("num_devices", [1, 2, 8])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_the_plain_mean(policy, num_devices):
    """Sums of a group are those of its leaves: at most 2 units in the last place."""
    step = compiled_step(planned(plan_of(policy), DATA_AXIS), num_devices)
    found, expected = step(weights(), examples()), plain(num_devices)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_max_ulp(np.asarray(a), np.asarray(b), maxulp=2)


@pytest.mark.parametrize("wire_dtype", ["bfloat16", "float16"])
def test_narrow_wires_round_and_no_more(wire_dtype):
    plan = plan_of("per_block", wire_dtype=wire_dtype)
    _, found = compiled_step(planned(plan, DATA_AXIS))(weights(), examples())
    largest = {"bfloat16": 2**-8, "float16": 2**-11}[wire_dtype]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(plain()[1]), strict=True):
        assert a.dtype == jnp.float32
        # One rounding per device's share and one per partial sum.
        np.testing.assert_allclose(a, b, atol=16 * largest * np.abs(b).max())
        assert not np.array_equal(a, b)


@pytest.mark.parametrize("wire_dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("policy", ["one", "per_leaf"])
def test_leaves_of_several_types_travel_in_one(policy, wire_dtype):
    """Powers of two, which every type holds: each leaf's mean is exact."""
    tree = {"a": jnp.ones(3), "b": jnp.full(5, 2.0, jnp.bfloat16)}
    order = [Gradient(name, x.shape, str(x.dtype), 1.0) for name, x in tree.items()]
    reduction = planned(make_plan(order, policy, wire_dtype=wire_dtype), DATA_AXIS)

    def reduce(tree):
        factor = jax.lax.axis_index(DATA_AXIS) % 2 + 1.0
        return reduction.reduce(
            jax.tree.map(lambda x: (x * factor).astype(x.dtype), tree)
        )

    every = PartitionSpec()
    mesh = make_mesh(1, BATCH, jax.devices())
    found = jax.shard_map(reduce, mesh=mesh, in_specs=every, out_specs=every)(tree)
    for name, leaf in tree.items():
        assert found[name].dtype == leaf.dtype
        np.testing.assert_array_equal(found[name], 1.5 * leaf)


def _reductions_before(jaxpr):
    """Of every sum over devices, in their order, the sums that it must wait for."""
    known, sums = {}, []
    for eqn in jaxpr.eqns:
        variables = [v for v in eqn.invars if not isinstance(v, core.Literal)]
        waits_for = frozenset().union(*(known.get(v, ()) for v in variables))
        if eqn.primitive.name.startswith(("psum", "reduce_scatter")):
            sums.append(waits_for)
            waits_for |= {len(sums) - 1}
        known.update(dict.fromkeys(eqn.outvars, waits_for))
    return sums


def test_every_group_waits_for_the_one_before():
    """Whatever a compiler makes of it, the program itself allows no other order."""
    plan = plan_of("per_leaf")
    reduction = planned(plan, DATA_AXIS)
    every, mesh = PartitionSpec(), make_mesh(1, BATCH, jax.devices())
    reduce = jax.shard_map(reduction.reduce, mesh=mesh, in_specs=every, out_specs=every)
    (eqn,) = jax.make_jaxpr(reduce)(weights()).eqns
    found = _reductions_before(eqn.params["jaxpr"])
    assert found == [frozenset(range(n)) for n in range(len(plan.groups))]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_compiled_program_has_exactly_the_planned_collectives(policy):
    plan = plan_of(policy)
    text = compiled_step(planned(plan, DATA_AXIS)).as_text()
    verdict = check_plan(plan, text)
    assert verdict.holds, verdict
    assert [c.num_bytes for c in verdict.planned] == [g.num_bytes for g in plan.groups]
    # Beside the plan there is the mean of the loss, four bytes.
    assert [c.num_bytes for c in verdict.others] == [4]
    assert "holds" in str(verdict)


def test_a_program_whose_groups_were_merged_is_caught():
    plan = plan_of()
    text = compiled_step(planned(plan, DATA_AXIS), options=None).as_text()
    verdict = check_plan(plan, text)
    assert not verdict.holds
    assert "group 0 should be all-reduce of f32[288], but is" in str(verdict)


def test_a_program_of_another_plan_is_caught():
    text = compiled_step(planned(plan_of("per_block"), DATA_AXIS)).as_text()
    assert not check_plan(plan_of("chunks"), text).holds
    assert not check_plan(plan_of("one"), text).holds


def test_groups_in_another_order_are_caught():
    plan = plan_of()
    text = compiled_step(planned(plan, DATA_AXIS)).as_text()
    swapped = (
        text.replace("reduction_group_1", "reduction_group_x")
        .replace("reduction_group_2", "reduction_group_1")
        .replace("reduction_group_x", "reduction_group_2")
    )
    assert "issued in the order [0, 2, 1, 3]" in str(check_plan(plan, swapped))


def test_a_reduction_that_was_forgotten_is_caught():
    plan = plan_of()
    lines = compiled_step(planned(plan, DATA_AXIS)).as_text().splitlines()
    kept = [line for line in lines if "reduction_group_2" not in line]
    assert "group 2 should be" in str(check_plan(plan, "\n".join(kept)))


def test_a_plan_that_does_not_hold_is_an_error_unless_only_a_warning_is_wanted():
    plan = plan_of()
    text = compiled_step(planned(plan, DATA_AXIS), options=None).as_text()
    with pytest.raises(RunError, match=r"config\.parallel\.verify"):
        require_plan(plan, text, "error")
    assert not require_plan(plan, text, "warn").holds
    with pytest.raises(ValueError, match="verify='eror': choose error or warn"):
        require_plan(plan, text, "eror")


def test_gradients_that_the_plan_does_not_know_are_named():
    plan = make_plan(gradients()[1:], "one")
    with pytest.raises(ValueError, match=r"of other gradients: layer_1/\w+ differs"):
        compiled_step(planned(plan, DATA_AXIS))


def test_without_own_copies_planned_gradients_are_eight_times_too_large():
    """The trap of the automatic sum: here it cannot pass unseen."""
    careless = planned(plan_of(), DATA_AXIS)._replace(as_local=lambda params: params)
    _, found = compiled_step(careless)(weights(), examples())
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(plain()[1]), strict=True):
        np.testing.assert_allclose(a, 8 * b, rtol=1e-5)


def test_a_reduction_over_another_axis_is_caught():
    """Of 2 x 4 devices, pairs are joined where fours should be."""
    plan, mesh = plan_of(), two_axes()
    text = compiled_step(planned(plan, "host"), mesh=mesh).as_text()
    assert check_plan(plan, text, planned_route(mesh, "host")).holds
    verdict = check_plan(plan, text, planned_route(mesh, "chip"))
    assert "should join the devices [0, 1, 2, 3], ..., but joins [0, 4]" in str(verdict)


def test_the_compilers_own_way_may_travel_as_narrow_as_a_plan():
    _, found = compiled_step(mean_over(DATA_AXIS, "float16"))(weights(), examples())
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(plain()[1]), strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_allclose(a, b, atol=16 * 2**-11 * np.abs(b).max())


def test_a_compiler_that_widens_the_wire_is_caught():
    """XLA sums bfloat16 as float32 on a CPU: twice the bytes that were planned."""
    plan = plan_of("one", wire_dtype="bfloat16")
    verdict = check_plan(plan, compiled_step(planned(plan, DATA_AXIS)).as_text())
    assert "but is all-reduce of f32[1632]" in str(verdict)
    narrow = plan_of("one", wire_dtype="float16")
    assert check_plan(narrow, compiled_step(planned(narrow, DATA_AXIS)).as_text()).holds
