import numpy as np
import pytest

from inverse.distortion_baselines import fit_shrinkage


def test_noisy_fits_are_shrunk_by_the_share_of_the_truth_in_them():
    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(size=(4000, 2, 2, 1))
    fitted = 5 + 2 * truth + 4 * rng.normal(size=truth.shape)
    line = fit_shrinkage(fitted, truth)
    # Wiener: cov / var = 2 / (4 + 16).
    assert line.slope[0] == pytest.approx(0.1, rel=0.05)
    error = line.apply(fitted) - truth
    assert error.std() < truth.std() < (fitted - truth).std()
    assert abs(error.mean()) < 1e-6


def test_a_channel_that_no_column_shows_becomes_the_mean():
    truth = np.random.default_rng(0).normal(size=(50, 2, 2, 1))
    line = fit_shrinkage(np.full_like(truth, 0.3), truth)
    np.testing.assert_allclose(line.apply(np.full((1, 1, 1, 1), 0.3)), truth.mean())
