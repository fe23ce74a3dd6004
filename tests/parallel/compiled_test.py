"""The reader of compiled programs knows every way in which groups are written."""

import pytest

from parallel.compiled import collective_groups

WRITTEN = [
    ("replica_groups={{0,1},{2,3}}", [[0, 1], [2, 3]]),
    ("source_target_pairs={{0,1},{1,0}}", [[0, 1], [1, 0]]),
    ("replica_groups=[2,2]<=[4]", [[0, 1], [2, 3]]),
    ("replica_groups=[2,2]<=[2,2]T(1,0)", [[0, 2], [1, 3]]),
    ("replica_groups=mesh['label'=2,'data'=2] {'data'}", [[0, 1], [2, 3]]),
    ("replica_groups=mesh['label'=2,'data'=2] {'label'}", [[0, 2], [1, 3]]),
    ("replica_groups=mesh['label'=2,'data'=2] {'label','data'}", [[0, 1, 2, 3]]),
]


def _program(*lines):
    head = ["HloModule m, is_scheduled=true", "ENTRY %e () -> f32[] {"]
    return "\n".join([*head, *lines])


@pytest.mark.parametrize(("written", "groups"), WRITTEN)
@pytest.mark.parametrize("operation", ["all-reduce", "all-gather-start"])
def test_groups_are_read_however_they_are_written(written, groups, operation):
    line = f"  %x = f32[8]{{0}} {operation}(f32[8]{{0}} %y), channel_id=1, {written}"
    assert collective_groups(_program(line)) == groups


def test_what_is_no_collective_has_no_groups():
    line = "  %x = f32[8]{0} add(f32[8]{0} %y, f32[8]{0} %z)"
    assert collective_groups(_program(line)) == []


def test_groups_that_cannot_be_read_are_never_passed_over():
    line = "  %x = f32[8]{0} all-reduce(f32[8]{0} %y), groups=all"
    with pytest.raises(ValueError, match="no device groups"):
        collective_groups(_program(line))


def test_text_that_is_no_program_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        collective_groups("module @jit_f attributes {mhlo.num_partitions = 8}")
