import numpy as np

from inverse.distortion.scores import bootstrap_interval


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        squares = rng.normal(size=(200, 1)) ** 2
        low, high = bootstrap_interval(squares, lambda m: np.sqrt(m[:, 0]))
        hits.append(low <= 1 <= high)
    # Three standard errors of 300 trials are 0.04; percentiles lose a point or two.
    assert 0.90 < np.mean(hits) < 0.98


def test_a_ratio_of_paired_errors_is_known_better_than_either():
    rng = np.random.default_rng(0)
    size = np.exp(rng.normal(size=200))
    pairs = np.stack([size, 2 * size * rng.uniform(0.9, 1.1, 200)], axis=-1)
    one = np.diff(bootstrap_interval(pairs, lambda m: m[:, 0] / size.mean()))
    both = np.diff(bootstrap_interval(pairs, lambda m: m[:, 0] / m[:, 1]))
    assert both < one / 4
