"""The fast sampler against the published distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from inverse.simulator.poisson import poisson

DRAWS = 1 << 18


@pytest.mark.parametrize("mean", [0.3, 5.0, 11.9, 12.1, 60.0])
def test_numbers_are_as_frequent_as_poisson_says(mean):
    """Pearson's chi^2 over all numbers that are expected 10 times or more."""
    drawn = np.asarray(poisson(jax.random.key(1), jnp.full(DRAWS, mean)), int)
    frequent = np.arange(200)
    expected = DRAWS * scipy.stats.poisson.pmf(frequent, mean)
    frequent, expected = frequent[expected > 10], expected[expected > 10]
    found = np.bincount(drawn, minlength=200)[frequent]
    chi2 = np.sum((found - expected) ** 2 / expected)
    assert scipy.stats.chi2.sf(chi2, len(frequent) - 1) > 1e-3


def test_large_means_keep_their_spread_and_skewness():
    drawn = np.asarray(poisson(jax.random.key(2), jnp.full(DRAWS, 1000.0)), float)
    assert drawn.mean() == pytest.approx(1000, abs=5 * np.sqrt(1000 / DRAWS))
    assert drawn.var() == pytest.approx(1000, rel=0.015)
    assert scipy.stats.skew(drawn) == pytest.approx(1000**-0.5, abs=0.02)


def test_nothing_is_counted_where_nothing_arrives():
    assert not poisson(jax.random.key(0), jnp.zeros(1000)).any()
