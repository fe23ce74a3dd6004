"""What a plan promises of a hierarchical reduction's order, and what it leaves open."""

import pytest

from parallel.plan_check import check_plan
from parallel.production_order import Gradient
from parallel.reduction_plan import make_plan
from parallel.reduction_route import Stage

OVER_FOUR = (
    Stage("reduce-scatter", 1, 4),
    Stage("all-reduce", 4, 4),
    Stage("all-gather", 4, 1),
)
STAGES = ["reduce-scatter", "all-reduce", "all-gather"]
_LINES = {
    "reduce-scatter": "f32[4] reduce-scatter(f32[16] %x), dimensions={0}",
    "all-reduce": "f32[4] all-reduce(f32[4] %x)",
    "all-gather": "f32[16] all-gather(f32[4] %x), dimensions={0}",
}


def _hierarchical_program(issued):
    """A schedule of (stage, group), every group 16 numbers over 4 inner devices."""
    lines = [
        f"  %c{place} = {_LINES[stage]}, replica_groups={{{{0,1,2,3}}}}, "
        f'metadata={{op_name="jit(step)/reduction_group_{group}/x"}}'
        for place, (stage, group) in enumerate(issued)
    ]
    head = ["HloModule m, is_scheduled=true", "ENTRY %e () -> f32[16] {"]
    return "\n".join([*head, *lines, "}"])


def _of_three_groups():
    order = [Gradient(name, (16,), "float32", 1.0) for name in "abc"]
    return make_plan(order, "per_leaf")


ONE_AFTER_ANOTHER = [(stage, group) for group in range(3) for stage in STAGES]
IN_A_PIPELINE = [
    *[("reduce-scatter", 0), ("all-reduce", 0)],
    *[("reduce-scatter", 1), ("all-gather", 0), ("all-reduce", 1)],
    *[("reduce-scatter", 2), ("all-gather", 1), ("all-reduce", 2), ("all-gather", 2)],
]


def _swapped(issued, one, other):
    there = {one: other, other: one}
    return [there.get(stage, stage) for stage in issued]


@pytest.mark.parametrize("issued", [ONE_AFTER_ANOTHER, IN_A_PIPELINE])
def test_stages_of_neighbouring_groups_may_interleave(issued):
    verdict = check_plan(_of_three_groups(), _hierarchical_program(issued), OVER_FOUR)
    assert verdict.holds, verdict


@pytest.mark.parametrize("issued", [ONE_AFTER_ANOTHER, IN_A_PIPELINE])
@pytest.mark.parametrize("kind", STAGES)
def test_each_kind_of_exchange_keeps_the_order_of_the_groups(kind, issued):
    broken = _swapped(issued, (kind, 1), (kind, 2))
    verdict = check_plan(_of_three_groups(), _hierarchical_program(broken), OVER_FOUR)
    assert f"the {kind}s are issued in the order [0, 2, 1]" in str(verdict)


@pytest.mark.parametrize("issued", [ONE_AFTER_ANOTHER, IN_A_PIPELINE])
@pytest.mark.parametrize("kind", ["all-reduce", "all-gather"])
def test_the_stages_of_a_group_keep_their_order(kind, issued):
    broken = _swapped(issued, ("reduce-scatter", 1), (kind, 1))
    verdict = check_plan(_of_three_groups(), _hierarchical_program(broken), OVER_FOUR)
    assert "group 1 should be reduce-scatter of f32[4], all-reduce of" in str(verdict)
