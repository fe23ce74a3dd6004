"""Metrics against values that are known without them."""

import numpy as np
import pytest

from inverse.density import metrics
from inverse.density.columns import find_columns, score_columns

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(5, 2, (3, 24, 24)).astype(np.float32)


def _columns(places, side=40, pixel_a=0.25, width_a=0.5):
    axis = pixel_a * np.arange(side)
    y, x = axis[:, None], axis[None]
    return sum(
        np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * width_a**2)) for py, px in places
    )


def test_what_is_right_scores_best_and_what_is_doubled_errs_by_itself():
    np.testing.assert_allclose(metrics.relative_l2(TRUTH, TRUTH), 0)
    np.testing.assert_allclose(metrics.relative_l2(2 * TRUTH, TRUTH), 1, rtol=1e-6)
    np.testing.assert_allclose(metrics.structural_similarity(TRUTH, TRUTH), 1)
    assert (metrics.structural_similarity(2 * TRUTH, TRUTH) < 0.9).all()


def test_the_correlation_is_numpys_and_0_of_a_flat_map():
    other = RANDOM.normal(size=TRUTH.shape) + TRUTH
    expected = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1]
        for a, b in zip(other, TRUTH, strict=True)
    ]
    np.testing.assert_allclose(metrics.correlation(other, TRUTH), expected, rtol=1e-6)
    assert (metrics.correlation(np.ones_like(TRUTH), TRUTH) == 0).all()


def test_similarity_is_blind_to_where_and_not_to_structure():
    """Of two maps with the same error, the one that keeps the structure is nearer."""
    shifted = TRUTH + 1.0
    noisy = TRUTH + RANDOM.choice([-1.0, 1.0], TRUTH.shape)
    same = metrics.structural_similarity(shifted, TRUTH)
    assert (same > metrics.structural_similarity(noisy, TRUTH)).all()


def test_columns_are_found_between_pixels():
    places = [(2.6, 3.1), (5.03, 7.4), (7.77, 2.2)]
    found = find_columns(_columns(places), 0.25)
    assert len(found) == 3
    for place in places:
        assert np.linalg.norm(found - place, axis=1).min() < 0.01


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_flat_map_has_no_columns(value):
    assert len(find_columns(np.full((20, 20), value), 0.25)) == 0


def test_columns_are_paired_one_to_one():
    truth = _columns([(2.5, 2.5), (5.0, 7.5), (7.5, 2.5)])
    # One 0.1 Å off, one where there is none, two not found.
    prediction = _columns([(2.5, 2.6), (3.0, 7.0)])
    score = score_columns(prediction, truth, 0.25)
    assert (score.num_true, score.num_found, score.num_matched) == (3, 2, 1)
    assert score.error_pm == pytest.approx(10, abs=1)
    nothing = score_columns(np.zeros((40, 40)), truth, 0.25)
    assert nothing.num_matched == 0 and np.isnan(nothing.error_pm)
