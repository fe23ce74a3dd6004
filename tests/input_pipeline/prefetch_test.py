import threading
import time

import pytest

from input_pipeline.prefetch import prefetch


def _threads():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


def test_batches_come_in_order_and_are_put_where_they_are_used():
    found = list(prefetch(lambda step: step * 10, lambda b: b + 1, range(3, 9, 2)))
    assert found == [(3, 31), (5, 51), (7, 71)]


def test_no_steps_are_no_batches():
    assert list(prefetch(lambda step: step, lambda b: b, range(5, 5))) == []


@pytest.mark.parametrize("depth", [1, 3])
def test_batches_are_prepared_ahead_but_not_more_than_asked_for(depth):
    made, full = [], threading.Event()

    def batch_at(step):
        made.append(step)
        if len(made) == depth + 2:
            full.set()
        return step

    batches = prefetch(batch_at, lambda b: b, range(100), depth)
    next(batches)
    # One handed over, `depth` waiting, one in the producer's hands.
    assert full.wait(10)
    time.sleep(0.15)
    assert len(made) == depth + 2
    batches.close()


@pytest.mark.parametrize("who", ["batch_at", "put"])
def test_an_error_arrives_at_the_step_that_it_belongs_to(who):
    def fail_at(name):
        def function(value):
            if name == who and value == 2:
                raise KeyError("the third")
            return value

        return function

    batches = prefetch(fail_at("batch_at"), fail_at("put"), range(9))
    assert [next(batches), next(batches)] == [(0, 0), (1, 1)]
    with pytest.raises(KeyError, match="the third") as caught:
        next(batches)
    assert any(entry.name == "function" for entry in caught.traceback)
    assert _threads() == []


def test_even_an_exit_of_the_producer_does_not_leave_the_consumer_waiting():
    def batch_at(step):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        next(prefetch(batch_at, lambda b: b, range(9)))


def test_leaving_early_ends_the_thread():
    batches = prefetch(lambda step: step, lambda b: b, range(10**9))
    next(batches)
    assert len(_threads()) == 1
    batches.close()
    assert _threads() == []


def test_work_overlaps_with_the_consumers():
    def batch_at(step):
        time.sleep(0.02)
        return step

    start = time.perf_counter()
    for _ in prefetch(batch_at, lambda b: b, range(15)):
        time.sleep(0.02)
    assert time.perf_counter() - start < 0.02 * 15 * 2 * 0.9


def test_a_queue_without_bound_is_refused():
    with pytest.raises(ValueError, match="depth=0"):
        next(prefetch(lambda step: step, lambda b: b, range(2), depth=0))
