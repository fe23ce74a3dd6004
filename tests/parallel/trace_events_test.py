"""Timelines for Perfetto show what the plan predicts."""

import json

import pytest

from parallel.link_cost import LinkCost
from parallel.production_order import Gradient
from parallel.reduction_plan import make_plan
from parallel.schedule_cost import Event
from parallel.trace_events import plan_events, trace, write_trace

COST = LinkCost(compute_seconds=1.0, bytes_per_second=1000.0, latency_seconds=0.0)
ORDER = [Gradient("a", (100,), "float32", 0.5), Gradient("b", (50,), "float32", 0.75)]
PLAN = make_plan(ORDER, "per_leaf")


def test_a_group_travels_when_it_is_ready_and_the_link_is_free():
    events = plan_events(PLAN, COST)
    link = [(e.begin, e.end) for e in events if e.lane == "link"]
    assert link == [(0.5, pytest.approx(0.9)), (pytest.approx(0.9), pytest.approx(1.1))]
    compute = [(e.begin, e.end) for e in events if e.lane == "compute"]
    assert compute == [(0.0, 0.5), (0.5, 0.75), (0.75, 1.0)]
    last = max(end for _, end in link)
    assert last - COST.compute_seconds == pytest.approx(PLAN.exposed_seconds(COST))


def test_titles_are_processes_and_lanes_are_threads(tmp_path):
    replayed = [Event("compute", "dot.1", "jit(f)/dot", 0.0, 2e-3)]
    timelines = {"plan": plan_events(PLAN, COST), "replay": replayed}
    path = write_trace(tmp_path / "new" / "t.json", timelines)
    assert json.loads(path.read_text()) == trace(timelines)
    events = trace(timelines)["traceEvents"]
    named = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M"}
    assert {(1, "plan"), (1, "link"), (2, "replay"), (2, "compute")} <= named
    (dot,) = [e for e in events if e["name"] == "dot.1"]
    assert (dot["pid"], dot["ts"], dot["dur"]) == (2, 0.0, 2000.0)
