"""Exposed time is what no compute covers, by hand and in a real profile."""

import jax
import pytest

from parallel.errors import RunError
from parallel.mesh import DATA_AXIS
from parallel.overlap_report import Span, outside, overlap, read_profile, table
from parallel.production_order import Gradient
from parallel.reduction import planned
from parallel.reduction_plan import make_plan
from tests.parallel.planned_steps import compiled_step, examples, plan_of, weights

ABOUT = "replica_groups={{0,1,2,3}}, to_apply=%add"
PROGRAM = "\n".join(
    [
        "HloModule m, is_scheduled=true",
        "ENTRY %e () -> f32[250] {",
        *(
            f"  %reduce.{n} = f32[250] all-reduce(f32[250] %x), {ABOUT}, "
            f'metadata={{op_name="jit(f)/reduction_group_{n}/psum"}}'
            for n in range(2)
        ),
        "}",
    ]
)
PLAN = make_plan([Gradient(n, (250,), "float32", 1.0) for n in "ab"], "per_leaf")


@pytest.mark.parametrize(
    ("others", "free"),
    [
        ([], 4.0),
        ([(0, 9)], 0.0),
        ([(0, 1), (9, 10)], 4.0),
        ([(3, 4)], 3.0),
        ([(1, 3), (2, 4)], 2.0),
        ([(5, 8), (2, 3)], 2.0),
        ([(3, 5), (3, 4)], 2.0),
    ],
)
def test_time_outside_of_others_is_what_none_of_them_covers(others, free):
    """Of a span from 2 to 6."""
    spans = [Span("x", begin, end) for begin, end in others]
    assert outside(Span("r", 2.0, 6.0), spans) == free


def test_a_group_is_hidden_where_its_own_device_computes():
    first = [Span("reduce.0", 0, 4), Span("dot.1", 1, 3), Span("reduce.1", 4, 5)]
    second = [Span("reduce.0", 0, 2), Span("reduce.1", 4, 5)]
    one, two = overlap(PLAN, PROGRAM, [first, second])
    assert (one.seconds, one.exposed_seconds) == (3.0, 2.0)
    assert one.hidden_share == pytest.approx(1 / 3)
    # 1000 bytes, of which each of four devices' links carries 3 / 2.
    assert one.bus_bytes_per_second == pytest.approx(1500 / 3)
    assert (two.seconds, two.hidden_share) == (1.0, 0.0)
    assert "all" in table([one, two])


def test_a_group_that_never_ran_is_named():
    with pytest.raises(RunError, match=r"groups \[1\]"):
        overlap(PLAN, PROGRAM, [[Span("reduce.0", 0, 4)]])


def test_a_real_profile_shows_every_group_on_every_device(tmp_path):
    """A CPU reduces and computes on one thread, so nothing is hidden."""
    plan = plan_of()
    step = compiled_step(planned(plan, DATA_AXIS))
    arguments = weights(), examples()
    jax.block_until_ready(step(*arguments))
    with jax.profiler.trace(str(tmp_path)):
        jax.block_until_ready(step(*arguments))
    devices = read_profile(tmp_path)
    found = overlap(plan, step.as_text(), devices)
    assert [one.number for one in found] == list(range(len(plan.groups)))
    assert all(one.seconds > 0 and one.bus_bytes_per_second > 0 for one in found)
    assert all(one.hidden_share < 0.01 for one in found)


def test_a_directory_without_a_profile_is_named(tmp_path):
    with pytest.raises(RunError, match="holds no profile"):
        read_profile(tmp_path)
