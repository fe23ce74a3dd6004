"""Numbers of examples are a pure function of the step."""

import numpy as np
import pytest

from input_pipeline.simulated import SimulatedBatches


def _numbers(batches, step):
    high, low = batches.batch_at(step).astype(np.uint64).T
    return (high << np.uint64(32) | low).tolist()


def test_blocks_join_to_the_whole_batch_of_any_step():
    whole = SimulatedBatches(lambda n: n, batch_size=6, block=slice(0, 6))
    parts = [
        SimulatedBatches(lambda n: n, batch_size=6, block=slice(a, a + 2))
        for a in (0, 2, 4)
    ]
    for step in (7, 0, 10**10):
        expected = list(range(6 * step, 6 * step + 6))
        assert _numbers(whole, step) == expected
        assert sum((_numbers(part, step) for part in parts), []) == expected


def test_a_bounded_set_comes_again_and_is_made_once():
    made = []

    def examples_at(numbers):
        made.append(numbers)
        return numbers

    batches = SimulatedBatches(
        examples_at, batch_size=4, block=slice(0, 4), num_examples=12
    )
    first = [_numbers(batches, step) for step in range(3)]
    again = [_numbers(batches, step) for step in range(30, 33)]
    assert again == first and len(made) == 3
    assert sum(first, []) == list(range(12))


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="num_examples=10"):
        SimulatedBatches(len, batch_size=4, block=slice(0, 4), num_examples=10)
    with pytest.raises(ValueError, match="batch of 4"):
        SimulatedBatches(len, batch_size=4, block=slice(2, 6))
