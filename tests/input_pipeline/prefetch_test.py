"""Prefetching keeps order, passes errors on and ends its thread."""

import itertools
import threading

import pytest

from input_pipeline.prefetch import prefetch


def _threads():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


def test_batches_arrive_in_order_and_put_where_they_are_used():
    found = list(prefetch(lambda step: step, lambda batch: batch * 10, range(2, 9, 2)))
    assert found == [(2, 20), (4, 40), (6, 60), (8, 80)]
    assert not _threads()


def test_an_error_comes_out_at_its_step():
    def batch_at(step):
        if step == 2:
            raise OSError("disk gone")
        return step

    arrived = []
    with pytest.raises(OSError, match="disk gone"):
        for step, _ in prefetch(batch_at, lambda b: b, range(9)):
            arrived.append(step)
    assert arrived == [0, 1]
    assert not _threads()


def test_no_more_than_depth_batches_wait():
    made = []
    batches = prefetch(lambda s: made.append(s), lambda b: b, range(100), depth=3)
    list(itertools.islice(batches, 2))
    # Two taken, three waiting, one in the producer's hand.
    assert len(made) <= 6
    batches.close()
    assert not _threads()
