"""Timelines as Perfetto and chrome://tracing open them.

Format: Trace Event Format, complete events; times in microseconds.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from parallel.link_cost import LinkCost, finish_times
from parallel.reduction_plan import ReductionPlan
from parallel.schedule_cost import Event


def plan_events(plan: ReductionPlan, cost: LinkCost) -> list[Event]:
    """When groups are ready and when they travel, as the plan sees it."""
    ready = [group.ready * cost.compute_seconds for group in plan.groups]
    num_bytes = [group.num_bytes for group in plan.groups]
    ends = finish_times(ready, num_bytes, cost.seconds)
    begins = ends - cost.seconds(np.array(num_bytes))
    events, before = [], 0.0
    rows = zip(plan.groups, ready, begins.tolist(), ends.tolist(), strict=True)
    for number, (group, then, begin, end) in enumerate(rows):
        name, about = f"group {number}", ", ".join(group.names)
        events.append(Event("compute", f"until {name} is ready", about, before, then))
        events.append(Event("link", name, about, begin, end))
        before = then
    if before < cost.compute_seconds:
        rest = "after the last group", "", before, cost.compute_seconds
        events.append(Event("compute", *rest))
    return events


def trace(timelines: Mapping[str, Sequence[Event]]) -> dict:
    """Timelines under each other: one process per title, one thread per lane."""
    written = []
    for number, (title, events) in enumerate(timelines.items(), start=1):
        written.append(_name("process_name", number, 0, title))
        lanes = {
            lane: i for i, lane in enumerate(dict.fromkeys(e.lane for e in events))
        }
        written += [_name("thread_name", number, i, lane) for lane, i in lanes.items()]
        written += [
            {
                "ph": "X",
                "pid": number,
                "tid": lanes[event.lane],
                "name": event.name,
                "ts": 1e6 * event.begin,
                "dur": 1e6 * (event.end - event.begin),
                "args": {"scope": event.scope},
            }
            for event in events
        ]
    return {"traceEvents": written, "displayTimeUnit": "ms"}


def _name(kind: str, process: int, thread: int, name: str) -> dict:
    about = {"pid": process, "tid": thread, "args": {"name": name}}
    return {"ph": "M", "name": kind, **about}


def write_trace(
    path: pathlib.Path, timelines: Mapping[str, Sequence[Event]]
) -> pathlib.Path:
    """Writes `trace` to `path`, which should end in .json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(trace(timelines)))
    return path
