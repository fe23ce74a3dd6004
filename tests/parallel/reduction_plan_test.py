"""A plan can be printed, compared, kept as text and trusted to be the same plan."""

import dataclasses

import pytest

from parallel.link_cost import LinkCost
from parallel.production_order import Gradient
from parallel.reduction_plan import ReductionPlan, make_plan

GRADIENTS = [
    Gradient("late/kernel", (4, 8), "float32", 0.5),
    Gradient("late/bias", (8,), "float32", 0.5),
    Gradient("early/kernel", (16, 4), "float32", 1.0),
]
COST = LinkCost(compute_seconds=1e-3, bytes_per_second=1e6, latency_seconds=1e-5)


def test_a_plan_knows_its_bytes_and_names():
    plan = make_plan(GRADIENTS, "per_block", wire_dtype="bfloat16")
    assert [g.names for g in plan.groups] == [
        ("late/kernel", "late/bias"),
        ("early/kernel",),
    ]
    assert [g.num_bytes for g in plan.groups] == [2 * 40, 2 * 64]
    assert plan.num_bytes == 2 * 104
    assert [g.ready for g in plan.groups] == [0.5, 1.0]


def test_json_goes_round():
    plan = make_plan(GRADIENTS, "chunks", num_groups=2, wire_dtype="float16")
    again = ReductionPlan.from_json(plan.to_json())
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.digest() == plan.digest()


def test_text_of_another_format_is_refused():
    with pytest.raises(ValueError, match="format_version 99"):
        ReductionPlan.from_json('{"format_version": 99, "policy": "", "groups": []}')
    for text in ("[]", '{"format_version": 1}', '{"format_version": 1, "groups": 3}'):
        with pytest.raises(ValueError, match="make the plan again"):
            ReductionPlan.from_json(text)


def test_the_digest_sees_what_travels_and_not_what_was_predicted():
    plan = make_plan(GRADIENTS, "per_leaf")
    others = [
        make_plan(GRADIENTS[::-1], "per_leaf"),
        make_plan(GRADIENTS, "one"),
        make_plan(GRADIENTS, "per_leaf", wire_dtype="bfloat16"),
        make_plan(GRADIENTS[:2], "per_leaf"),
    ]
    assert len({plan.digest(), *(other.digest() for other in others)}) == 5
    later = [g._replace(ready=1.0) for g in GRADIENTS]
    assert make_plan(later, "per_leaf").digest() == plan.digest()
    renamed = dataclasses.replace(plan, policy="by hand")
    assert renamed.digest() == plan.digest()


def test_gradients_of_several_types_travel_in_buffers_of_one_type():
    mixed = [GRADIENTS[0], GRADIENTS[1]._replace(dtype="bfloat16"), GRADIENTS[2]]
    plan = make_plan(mixed, "one")
    assert [g.wire_dtype for g in plan.groups] == ["bfloat16", "float32"]
    assert sorted(plan.names) == sorted(g.name for g in mixed)
    assert len(make_plan(mixed, "one", wire_dtype="bfloat16").groups) == 1


def test_of_several_types_what_is_ready_first_travels_first():
    order = [
        Gradient("x", (2,), "float32", 0.2),
        Gradient("y", (2,), "bfloat16", 0.5),
        Gradient("z", (2,), "float32", 1.0),
    ]
    groups = make_plan(order, "one").groups
    assert [(group.names, group.ready) for group in groups] == [
        (("y",), 0.5),
        (("x", "z"), 1.0),
    ]


def test_the_table_has_a_line_per_group_and_the_prediction():
    plan = make_plan(GRADIENTS, "per_leaf")
    table = plan.table(COST)
    assert plan.digest()[:16] in table
    assert all(g.name in table for g in GRADIENTS)
    assert len(table.splitlines()) == 2 + 3 + 1
    # late/kernel: 0.5 ms + 0.01 + 0.128 and so on; the last begins at 1 ms.
    assert plan.exposed_seconds(COST) == pytest.approx(0.01e-3 + 256e-6)
    hidden = 1 - 266 / (3 * 10 + 128 + 32 + 256)
    assert plan.hidden_share(COST) == pytest.approx(hidden)
    assert f"{hidden:.1%}" in table
    assert len(plan.table().splitlines()) == 2 + 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "optimum"}, "choose one of"),
        ({"wire_dtype": "int4"}, "choose one of"),
        ({"policy": "optimal"}, "cost of the link"),
        ({"policy": "chunks", "num_groups": 0}, "num_groups"),
        ({"policy": "byte_bounds", "first": 0, "largest": 1, "last": 1}, "positive"),
        ({"policy": "chunks"}, "policy='chunks': needs the setting num_groups"),
        ({"policy": "one", "num_groups": 3}, "num_groups: the settings of .* are none"),
        ({"policy": "chunks", "num_groups": 2, "size": 3}, "are num_groups"),
    ],
)
def test_settings_that_make_no_plan_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        make_plan(GRADIENTS, **settings)


def test_whole_numbers_are_no_gradients():
    order = [Gradient("count", (2,), "int32", 1.0)]
    with pytest.raises(ValueError, match="count is of int32: the mean of whole"):
        make_plan(order, "one")
