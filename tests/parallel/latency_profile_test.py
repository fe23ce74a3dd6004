"""XLA's scheduler is told of every instruction what the replay takes for it."""

import pathlib
import re

import pytest

from parallel.latency_profile import latency_profile, profile_options
from parallel.schedule_cost import Machine

# A product takes 3 s beside nothing, a reduction of 64 numbers over four devices 6 s.
MACHINE = Machine(
    flops_per_second=2 * 8**3 / 3,
    memory_bytes_per_second=1e12,
    launch_seconds=0.0,
    link_bytes_per_second=256 * 1.5 / 6,
    link_seconds=0.0,
)
TEXT = """HloModule m, is_scheduled=true

ENTRY %main (a: f32[8,8]) -> f32[8,8] {
  %a = f32[8,8]{1,0} parameter(0)
  %b = f32[8,8]{1,0} dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %s = f32[8,8]{1,0} all-reduce-start(%b), replica_groups={{0,1,2,3}}, to_apply=%add
  %c = f32[8,8]{1,0} dot(%b, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %r = f32[8,8]{1,0} all-reduce-done(%s)
}
"""


def test_products_and_reductions_are_told_in_microseconds_and_waiting_is_not():
    found = re.findall(
        r'name: "(\w+)" cost_us: ([\d.]+)', latency_profile(TEXT, MACHINE)
    )
    assert dict(found) == {"b": "3000000.000", "s": "6000000.000", "c": "3000000.000"}
    assert len(found) == 3


def test_the_same_profile_is_the_same_file(tmp_path):
    (path,) = profile_options("gpu", TEXT, MACHINE, tmp_path / "new").values()
    assert profile_options("cuda", TEXT, MACHINE, tmp_path / "new").popitem()[1] == path
    assert pathlib.Path(path).read_text() == latency_profile(TEXT, MACHINE)
    slower = Machine(1.0, 1.0, 0.0, 1.0, 0.0)
    assert path not in profile_options("gpu", TEXT, slower, tmp_path / "new").values()


def test_a_compiler_that_reads_no_profile_is_named(tmp_path):
    with pytest.raises(ValueError, match="platform='tpu'"):
        profile_options("tpu", TEXT, MACHINE, tmp_path)
