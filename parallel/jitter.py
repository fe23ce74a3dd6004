"""How much later than the average the slowest of many ranks is done."""

import functools
import math

import numpy as np

DISTRIBUTIONS = ("normal", "exponential")
_EULER = 0.5772156649015329


@functools.cache
def expected_maximum(num_ranks: int, distribution: str = "normal") -> float:
    """Mean of the largest of `num_ranks` independent draws, of mean 0 and deviation 1.

    Args:
      num_ranks: draws; one has the mean 0.
      distribution: "normal", or "exponential", whose tail is heavier.

    Returns:
      In standard deviations. Normal: the integral of 1 - F^n over the positive axis
      less that of F^n over the negative one, by the trapezoidal rule. Exponential:
      the harmonic number H_n less its mean 1.
    """
    if num_ranks < 1:
        raise ValueError(f"num_ranks must be 1 or more, got {num_ranks}.")
    if distribution == "exponential":
        return _harmonic(num_ranks) - 1
    if distribution != "normal":
        choices = ", ".join(DISTRIBUTIONS)
        raise ValueError(f"distribution={distribution!r}: choose one of {choices}.")
    x = np.linspace(0, 12, 6_001)
    upper = np.array([math.erfc(v / math.sqrt(2)) / 2 for v in x])
    # log1p keeps the tail where 1 - upper would round to 1.
    right = -np.expm1(num_ranks * np.log1p(-upper))
    left = upper**num_ranks
    return float(np.trapezoid(right - left, x))


def _harmonic(number: int) -> float:
    if number <= 1_000:
        return sum(1 / i for i in range(1, number + 1))
    return math.log(number) + _EULER + 1 / (2 * number) - 1 / (12 * number**2)


def slowdown(num_ranks: int, jitter: float, distribution: str = "normal") -> float:
    """How much longer the slowest rank's compute takes than the average rank's.

    Args:
      num_ranks: that wait for each other in every step.
      jitter: standard deviation of a rank's step time, as a share of its mean;
        independent between ranks.
      distribution: of the step time.
    """
    return 1 + jitter * expected_maximum(num_ranks, distribution)
