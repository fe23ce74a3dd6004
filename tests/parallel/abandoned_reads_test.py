import sys
import types

import pytest

from parallel.abandoned_reads import leave_out_abandoned_reads


@pytest.mark.parametrize(
    ("error", "is_heard"),
    [
        (RuntimeError("Event loop is closed"), False),
        (RuntimeError("something else"), True),
        (ValueError("Event loop is closed"), True),
    ],
)
def test_only_reads_that_came_after_a_failure_are_left_out(
    monkeypatch, error, is_heard
):
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    leave_out_abandoned_reads()
    leave_out_abandoned_reads()
    unraisable = types.SimpleNamespace(exc_value=error)
    sys.unraisablehook(unraisable)
    assert heard == [unraisable] * is_heard
