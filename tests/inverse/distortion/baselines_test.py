import numpy as np
import pytest

from inverse.distortion.baselines import fit_regression


def test_noisy_places_are_shrunk_by_the_share_of_the_truth_in_them():
    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(size=(4000, 2, 2, 1))
    measured = (5 + 2 * truth + 4 * rng.normal(size=truth.shape))[..., None]
    line = fit_regression(measured, truth)
    # Wiener: cov / var = 2 / (4 + 16).
    assert line.slopes[0, 0] == pytest.approx(0.1, rel=0.05)
    error = line.apply(measured) - truth
    assert error.std() < truth.std() < (measured[..., 0] - truth).std()
    assert abs(error.mean()) < 1e-6


def test_two_detectors_tell_more_than_either():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(4000, 2, 2, 1))
    seen = np.stack([truth + rng.normal(size=truth.shape) for _ in range(2)], axis=-1)
    errors = [
        (fit_regression(shown, truth).apply(shown) - truth).std()
        for shown in (seen[..., :1], seen)
    ]
    np.testing.assert_allclose(errors, [0.5**0.5, (1 / 3) ** 0.5], rtol=0.03)


def test_a_channel_that_no_column_shows_becomes_the_mean():
    truth = np.random.default_rng(0).normal(size=(50, 2, 2, 1))
    line = fit_regression(np.full((*truth.shape, 2), 0.3), truth)
    told = line.apply(np.full((1, 1, 1, 1, 2), 0.3))
    np.testing.assert_allclose(told, truth.mean(), rtol=1e-5)
