"""Every promise names tests that are there, and says so where they are slow."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEST = re.compile(r"`(tests/[\w/]+\.py)`( \(slow\))?")


def promises(text: str) -> list[tuple[str, str]]:
    """(promise, tests) of every row; "same" stands for those of the row before."""
    rows, before = [], ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        is_row = line.startswith("|") and not set(cells[0]) <= {"-"}
        if is_row and cells[0] != "promise":
            before = cells[1].replace("same", before)
            rows.append((cells[0], before))
    return rows


ROWS = promises((ROOT / "GUARANTEES.md").read_text())


def test_there_are_promises():
    assert len(ROWS) > 20


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_a_promise_stands_beside_a_test(promise, tests):
    found = TEST.findall(tests)
    assert found, promise
    for path, slow in found:
        source = (ROOT / path).read_text()
        assert "def test_" in source
        assert not slow or "pytest.mark.slow" in source


def test_times_that_are_told_are_those_that_were_measured():
    measured = ROOT / "benchmarks" / "results" / "tables" / "checkpoint_cost.md"
    told = re.findall(r"(\d+\.\d\d) s\b", (ROOT / "GUARANTEES.md").read_text())
    assert len(told) > 3
    assert all(f"| {seconds} |" in measured.read_text() for seconds in told)
