"""Processes that write into directories of their own notice before they train."""

import jax
import numpy as np
import pytest

from parallel import shared_directory
from parallel.errors import RunError
from parallel.shared_directory import require_shared


@pytest.fixture
def two_processes(monkeypatch):
    """This one is the first of two; what the other sees is in the list."""
    other_sees = [True]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(shared_directory, "from_first", lambda number: number)
    monkeypatch.setattr(
        shared_directory,
        "of_all",
        lambda mine: np.array([mine, [int(other_sees[0])]]),
    )
    return other_sees


def test_one_directory_is_fine_and_left_as_it_was(tmp_path, two_processes):
    require_shared(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_process_that_sees_another_one_is_named(tmp_path, two_processes):
    two_processes[0] = False
    with pytest.raises(RunError, match="is not one directory: process 1 cannot see"):
        require_shared(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_alone_asks_nobody(tmp_path):
    require_shared(tmp_path / "not there")
