"""Over chips and hosts a planned reduction is the plain mean too, and as planned."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, PartitionSpec

from parallel.plan_check import check_plan
from parallel.production_order import Gradient
from parallel.reduction import hierarchical
from parallel.reduction_plan import make_plan
from parallel.reduction_route import hierarchical_route
from tests.parallel.planned_steps import (
    compiled_step,
    examples,
    plain,
    plan_of,
    two_axes,
    weights,
)

STAGES = ("reduce-scatter", "all-reduce", "all-gather")


@pytest.mark.parametrize("policy", ["per_leaf", "per_block", "one"])
def test_a_hierarchical_reduction_is_the_plain_mean_and_does_as_planned(policy):
    """Leaves of 16 and 256 numbers over 4 inner devices, so some parts are padded."""
    plan = plan_of(policy)
    compiled = compiled_step(hierarchical(plan, "chip", "host"), mesh=two_axes())
    found = compiled(weights(), examples())
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(plain()), strict=True):
        # Sums of another order: sums of pairs and of fours instead of all eight.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)
    route = hierarchical_route(two_axes(), "chip", "host")
    verdict = check_plan(plan, compiled.as_text(), route)
    assert verdict.holds, verdict
    # How stages of neighbouring groups interleave is the compiler's choice.
    kinds = collections.Counter(one.kind for one in verdict.planned)
    assert kinds == dict.fromkeys(STAGES, len(plan.groups))
    assert not check_plan(plan, compiled.as_text()).holds


@pytest.mark.parametrize("shape", [(8, 1), (1, 8), (1, 1), (2, 2)])
def test_a_hierarchy_of_any_shape_does_as_planned(shape):
    """What a device exchanges with itself is there or not, and neither matters."""
    plan, devices = plan_of("one"), np.array(jax.devices())
    mesh = Mesh(
        devices[: math.prod(shape)].reshape(shape),
        ("host", "chip"),
        axis_types=(AxisType.Auto,) * 2,
    )
    text = compiled_step(hierarchical(plan, "chip", "host"), mesh=mesh).as_text()
    verdict = check_plan(plan, text, hierarchical_route(mesh, "chip", "host"))
    assert verdict.holds, verdict


def test_a_group_that_does_not_divide_over_the_inner_axis_is_padded():
    tree = {"w": jnp.arange(7.0), "b": jnp.arange(3.0)}
    order = [Gradient(name, x.shape, "float32", 1.0) for name, x in tree.items()]
    reduction = hierarchical(make_plan(order, "one"), "chip", "host")

    def reduce(tree):
        place = jax.lax.axis_index("chip") + 4 * jax.lax.axis_index("host")
        return reduction.reduce(jax.tree.map(lambda x: x * place, tree))

    every, none = PartitionSpec(), PartitionSpec()
    found = jax.shard_map(reduce, mesh=two_axes(), in_specs=every, out_specs=none)(tree)
    for name, leaf in tree.items():
        np.testing.assert_allclose(found[name], leaf * 3.5)
