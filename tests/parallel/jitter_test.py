"""The expected maximum agrees with what is known of it."""

import math

import numpy as np
import pytest

from parallel.jitter import DISTRIBUTIONS, expected_maximum, slowdown


@pytest.mark.parametrize(
    ("num_ranks", "expected"),
    [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi))],
)
def test_the_largest_of_few_normal_draws_is_known(num_ranks, expected):
    assert expected_maximum(num_ranks) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("num_ranks", [8, 128, 1_536])
def test_the_largest_of_many_agrees_with_drawing_them(num_ranks):
    generator = np.random.default_rng(num_ranks)
    for name, draw in (
        ("normal", generator.standard_normal),
        ("exponential", lambda shape: generator.standard_exponential(shape) - 1),
    ):
        largest = draw((2_000, num_ranks)).max(axis=1)
        error = largest.std() / math.sqrt(2_000)
        assert abs(expected_maximum(num_ranks, name) - largest.mean()) < 4 * error


def test_the_largest_of_very_many_stays_below_its_bound():
    for num_ranks in (27_600, 100_000, 10**9):
        bound = math.sqrt(2 * math.log(num_ranks))
        assert 0.88 * bound < expected_maximum(num_ranks) < bound


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_more_ranks_are_later_and_one_is_on_time(distribution):
    found = [expected_maximum(n, distribution) for n in (1, 2, 3, 999, 1_000, 1_001)]
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert sorted(found) == found
    assert found[-1] - found[-2] < 2e-3
    assert slowdown(50, 0.0, distribution) == 1


def test_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="choose one of normal, exponential"):
        expected_maximum(8, "cauchy")
    with pytest.raises(ValueError, match="num_ranks must be 1 or more"):
        expected_maximum(0)
