import numpy as np
import pytest

from inverse.distortion import conformal


def crystals(seed: int, count: int, scale: float = 1.0):
    """Errors whose spread is predicted in shape, not in size, and has heavy tails."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(size=(count, 1, 1, 3)))
    error = scale * 0.3 * spread * rng.standard_t(3, size=(count, 2, 2, 3))
    return error, np.broadcast_to(2 * np.log(spread), error.shape)


def covered(factors, error, log_variance):
    made = conformal.apply(factors, np.zeros_like(error), log_variance)
    return conformal.inside(made, error).mean(axis=(1, 2, 3))


def test_intervals_hold_their_share_of_heteroscedastic_heavy_tailed_errors():
    factors = conformal.calibrate(*crystals(0, 2000))
    shares = covered(factors, *crystals(1, 2000))
    expected = np.array(conformal.PROBABILITIES)[:, None] * np.ones(3)
    # Four standard errors of 2,000 crystals here and as many there are 0.03 and less.
    np.testing.assert_allclose(shares, expected, atol=0.03)


def test_a_gaussians_width_of_the_same_spread_would_hold_too_much():
    """Why quantiles: root mean squares are those of the tails."""
    factors = conformal.calibrate(*crystals(0, 2000))
    wide = factors._replace(quantile=np.array([1.0, 1.96])[:, None] * factors.spread)
    assert (covered(wide, *crystals(1, 2000))[0] > 0.75).all()


def test_intervals_of_few_crystals_hold_at_least_their_share_on_average():
    shares = [
        covered(conformal.calibrate(*crystals(seed, 19)), *crystals(1000 + seed, 200))
        for seed in range(200)
    ]
    mean = np.mean(shares, axis=(0, 2))
    # 14 of 19 crystals, not the 13 that n p rounds to; all 19 of them.
    assert mean[0] == pytest.approx(14 / 19, abs=0.015)
    assert mean[1] > 0.95


def test_a_group_with_larger_errors_is_seen_when_it_is_left_out():
    parts = [crystals(seed, 400, scale) for seed, scale in enumerate((1, 1, 1, 3))]
    error, log_variance = (np.concatenate(x) for x in zip(*parts, strict=True))
    group = np.repeat(np.arange(4), 400)
    found = conformal.left_out_coverage(error, log_variance, group)
    assert found.shape == (4, 2, 3)
    others = conformal.calibrate(error[:1200], log_variance[:1200])
    made = conformal.apply(others, np.zeros_like(error[1200:]), log_variance[1200:])
    own = conformal.inside(made, error[1200:]).mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(found[3], own)
    assert (found[3, 0] < 0.5).all() and (found[:3, 0] > 0.6).all()


def test_a_channel_that_is_always_right_has_bars_of_no_width():
    zero = np.zeros((8, 2, 2, 1))
    made = conformal.apply(conformal.calibrate(zero, zero), zero, zero)
    assert np.isfinite(made.log_variance).all() and not made.half_width.any()
    assert conformal.inside(made, zero).all()


def test_channels_that_a_turn_exchanges_have_one_calibration():
    rng = np.random.default_rng(5)
    error = rng.normal(size=(400, 2, 2, 3)) * np.array([1.0, 3.0, 1.0])
    own = conformal.calibrate(error, 0 * error)
    alike = conformal.calibrate(error, 0 * error, (0, 0, 1))
    assert own.quantile[1, 0] < alike.quantile[1, 0] < own.quantile[1, 1]
    np.testing.assert_array_equal(alike.quantile[:, 0], alike.quantile[:, 1])
    np.testing.assert_array_equal(alike.quantile[:, 2], own.quantile[:, 2])
    assert alike.spread[0] == alike.spread[1] != alike.spread[2]


def test_of_four_crystals_no_error_was_too_large():
    """ceil(5 p) of 4 are all of them for 68 and 95 %."""
    error = np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1, 1)
    found = conformal.calibrate(error, 0 * error)
    np.testing.assert_array_equal(found.quantile[:, 0], [4.0, 4.0])
    more = conformal.calibrate(np.repeat(error, 2, axis=0), np.zeros((8, 1, 1, 1)))
    # ceil(9 x 0.68) = 7 of 8: no smaller than the seventh.
    np.testing.assert_array_equal(more.quantile[:, 0], [4.0, 4.0])
