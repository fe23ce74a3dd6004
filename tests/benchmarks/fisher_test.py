import numpy as np
import pytest

from benchmarks.fisher import fisher, standard_deviations

ELECTRONS, SPREAD = 200.0, 13.0


def scene(seed: int = 0):
    rng = np.random.default_rng(seed)
    signals = rng.uniform(0.1, 2.0, size=(12, 12, 4))
    return signals, rng.normal(size=(2, 12, 12, 4)) * np.array([0.3, 0.3, 2, 2])


@pytest.mark.parametrize("channel", [1, 2])
def test_weighted_least_squares_reaches_the_bound(channel):
    """Records of one detector, its gain and offset unknown, fitted many times."""
    signals, slopes = scene()
    known = fisher(signals, slopes, (channel,), ELECTRONS, SPREAD)
    expected = standard_deviations(known, 2, None)
    image = signals[..., channel].ravel()
    columns = [*slopes[..., channel].reshape(2, -1), image, np.ones_like(image)]
    model, rng = np.stack(columns, axis=-1), np.random.default_rng(1)
    if channel < 2:
        records = rng.poisson(ELECTRONS * image, size=(4000, image.size)) / ELECTRONS
        weight = np.sqrt(1 / image)
    else:
        noise = SPREAD / np.sqrt(ELECTRONS) * rng.normal(size=(4000, image.size))
        records, weight = image + noise, np.ones_like(image)
    fitted = np.linalg.lstsq(model * weight[:, None], (records * weight).T, rcond=None)
    # Five standard errors of a spread of 4,000 draws.
    np.testing.assert_allclose(fitted[0][:2].std(axis=1), expected, rtol=0.06)


def test_what_changes_no_image_has_no_bound_but_its_prior():
    signals, slopes = scene()
    slopes[1] = 0.0
    known = fisher(signals, slopes, (0, 1), ELECTRONS, SPREAD)
    assert standard_deviations(known, 2, None)[1] > 1e6
    found = standard_deviations(known, 2, np.array([1.0, 5.0]))
    assert found[1] == pytest.approx(5.0)
    assert found[0] < standard_deviations(known, 2, None)[0]


def test_what_looks_like_a_gain_has_no_bound():
    signals, slopes = scene()
    slopes[1] = signals
    known = fisher(signals, slopes, (2,), ELECTRONS, SPREAD)
    assert standard_deviations(known, 2, None)[1] > 100 * SPREAD
