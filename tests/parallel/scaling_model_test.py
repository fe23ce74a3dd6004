"""Laws of the predicted step: limits, monotony, and replays done by hand."""

import dataclasses

import pytest

from parallel.compute_timeline import ReadyGradient
from parallel.jitter import slowdown
from parallel.link_cost import finish_times
from parallel.negotiation import PROTOCOLS, negotiate
from parallel.scaling_assumptions import Assumptions, numeric_fields, table
from parallel.scaling_model import efficiency, step_time

DEFAULT = Assumptions()
NUM_DEVICES = (1, 2, 6, 12, 96, 384, 1_536, 6_000, 27_600, 100_000)
FREE = {
    name: 0.0
    for name in numeric_fields()
    if name.endswith(("latency_seconds", "cycle_seconds", "record_seconds"))
} | {name: 1e30 for name in numeric_fields() if name.endswith("bytes_per_second")}


def changed(**fields):
    return dataclasses.replace(DEFAULT, **fields)


def test_one_channel_takes_what_is_ready_in_turn():
    # The first ends at 1 + 1; the second is ready then; the third has waited.
    ends = finish_times([1, 2, 3], [10, 20, 30], lambda size: 0.1 * size)
    assert ends == pytest.approx([2, 4, 7])
    # A channel that is free waits for what is not ready.
    ends = finish_times([1, 5], [10, 10], lambda size: 0.1 * size)
    assert ends == pytest.approx([2, 6])


def test_rounds_take_what_is_ready_and_start_half_a_cycle_late():
    gradients = [ReadyGradient(*of) for of in (("a", 0, 3), ("b", 0, 4), ("c", 0, 5))]
    released = negotiate(
        gradients,
        [0.0, 0.5, 4.0],
        cycle_seconds=2.0,
        round_seconds=lambda count: 1.0 * count,
        fusion_bytes=7,
    )
    # A round at 1 takes a and b until 3; c waits from 4 to 5 and is known at 6.
    assert released == [(ReadyGradient("a", 0, 7), 3.0), (ReadyGradient("c", 0, 5), 6)]


def test_a_round_waits_for_the_round_before():
    gradients = [ReadyGradient(name, 0, 1) for name in "ab"]
    released = negotiate(
        gradients,
        [0.0, 1.5],
        cycle_seconds=2.0,
        round_seconds=lambda count: 10.0,
        fusion_bytes=0,
    )
    assert [known for _, known in released] == [11, 21]


def test_a_step_of_two_gradients_by_hand():
    a = changed(
        **FREE, jitter=0.0, compute_seconds=10.0, devices_per_node=1, num_tensors=2
    )
    a = dataclasses.replace(a, node_bytes_per_second=1.0)
    timeline = (ReadyGradient("a", 0.5, 6.0), ReadyGradient("b", 1.0, 2.0))
    # Between 2 devices a ring takes one second a byte: 5 .. 11, then 11 .. 13.
    step = step_time("static plan", 2, a, timeline)
    assert step.exposed_seconds == pytest.approx(3)
    assert step.seconds == pytest.approx(13)
    assert step.efficiency == pytest.approx(10 / 13)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_device_waits_for_nobody(protocol):
    assert efficiency(protocol, 1, DEFAULT) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_free_messages_only_jitter_is_left(protocol):
    a = changed(**FREE)
    for n in NUM_DEVICES:
        expected = 1 / slowdown(n, a.jitter)
        assert efficiency(protocol, n, a) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_more_devices_are_never_more_efficient(protocol):
    found = [efficiency(protocol, n, DEFAULT) for n in NUM_DEVICES]
    assert sorted(found, reverse=True) == found
    assert all(0 < e <= 1 for e in found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_communication_never_shortens_a_step(protocol):
    for n in NUM_DEVICES:
        step = step_time(protocol, n, DEFAULT)
        assert step.exposed_seconds >= 0
        assert step.seconds >= step.compute_seconds >= DEFAULT.compute_seconds


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("jitter", 0.5),
        ("node_bytes_per_second", 2),
        ("node_latency_seconds", 0.5),
        ("control_latency_seconds", 0.5),
        ("record_seconds", 0.5),
    ],
)
def test_a_better_machine_is_never_slower(protocol, name, better):
    a = changed(**{name: better * getattr(DEFAULT, name)})
    for n in NUM_DEVICES:
        assert efficiency(protocol, n, a) >= efficiency(protocol, n, DEFAULT) - 1e-4


def test_who_says_nothing_is_never_behind_who_negotiates_about_the_same_groups():
    for n in NUM_DEVICES:
        assert efficiency("static plan", n, DEFAULT) >= efficiency(
            "bitvector", n, DEFAULT
        )


def test_the_coordinator_collapses_where_its_records_outlast_the_backward_pass():
    a = changed(jitter=0.0)
    backward = (1 - a.forward_share) * a.compute_seconds
    knee = backward / (a.num_tensors * a.record_seconds)
    assert efficiency("coordinator", int(0.5 * knee), a) > 0.97
    assert efficiency("coordinator", int(2 * knee), a) < 0.65


def test_unknown_protocols_and_assumptions_are_refused():
    with pytest.raises(ValueError, match="protocol='gossip': choose one of coordin"):
        step_time("gossip", 2, DEFAULT)
    with pytest.raises(ValueError, match="num_devices must be 1 or more, got 0"):
        step_time("static plan", 0, DEFAULT)
    with pytest.raises(ValueError, match="node_bytes_per_second must be positive"):
        changed(node_bytes_per_second=0.0)
    with pytest.raises(ValueError, match="jitter must be 0 or more, got -1"):
        changed(jitter=-1)
    with pytest.raises(ValueError, match="distribution='cauchy'"):
        changed(distribution="cauchy")
    with pytest.raises(ValueError, match="forward_share must be below 1"):
        changed(forward_share=1.0)


def test_every_assumption_is_listed_with_its_source():
    lines = table(changed(tree_arity=4)).splitlines()
    assert len(lines) == len(dataclasses.fields(Assumptions))
    for line, field in zip(lines, dataclasses.fields(Assumptions), strict=True):
        assert line.startswith(field.name)
        source = field.metadata["source"]
        assert source.startswith(("published", "assumed", "fitted"))
        assert source in line
        assert ("given; the default 8 is" in line) == (field.name == "tree_arity")
