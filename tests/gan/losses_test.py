"""Every game's losses are those of its paper, counted by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan.losses import make_loss, slope_penalty

REAL, FAKE = jnp.array([2.0, -0.5]), jnp.array([-1.0, 0.25])
# Between what each side wants of them, in every game.
UNDECIDED = jnp.array([0.3, 0.6])


def _minus_log_sigmoid(x):
    return -np.log(1 / (1 + np.exp(-np.asarray(x, np.float64))))


BY_HAND = {
    # -log D(fake); the mean of -log D(real) and -log(1 - D(fake)).
    "non_saturating": (
        _minus_log_sigmoid(FAKE),
        (_minus_log_sigmoid(REAL) + _minus_log_sigmoid(-FAKE)) / 2,
    ),
    # Reals are good from 1 on, fakes from -1 down.
    "hinge": ([1.0, -0.25], [0.0 + 0.0, 1.5 + 1.25]),
    # Targets 1 for reals and 0 for fakes; the generator wants 1.
    "least_squares": ([2.0, 0.28125], [(1 + 1) / 2, (2.25 + 0.0625) / 2]),
    "wasserstein": ([1.0, -0.25], [-1.0 - 2.0, 0.25 + 0.5]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_losses_are_those_counted_by_hand(name):
    loss = make_loss(name, 0.0)
    generator, discriminator = BY_HAND[name]
    np.testing.assert_allclose(loss.generator(FAKE), generator, rtol=1e-6)
    np.testing.assert_allclose(
        loss.discriminator(REAL, FAKE), discriminator, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("name", BY_HAND)
def test_each_side_gains_where_it_should(name):
    loss = make_loss(name, 0.0)
    assert (loss.generator(UNDECIDED + 0.1) < loss.generator(UNDECIDED)).all()
    told_apart = loss.discriminator(UNDECIDED + 0.1, UNDECIDED - 0.1)
    assert (told_apart < loss.discriminator(UNDECIDED, UNDECIDED)).all()


def test_an_unknown_loss_names_those_there_are():
    with pytest.raises(ValueError, match="hinge"):
        make_loss("hing", 0.0)


IMAGES = jax.random.normal(jax.random.key(0), (2, 4, 3, 2, 1))


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
def test_a_linear_judge_pays_for_its_slope_alone(slope, penalty):
    direction = jnp.ones((1, 3, 2, 1)) * slope / jnp.sqrt(6.0)
    real, fake = IMAGES
    found = slope_penalty(
        lambda x: jnp.sum(direction * x, axis=(1, 2, 3)), real, fake, jnp.zeros(4)
    )
    np.testing.assert_allclose(found, jnp.full(4, penalty), rtol=1e-4, atol=1e-6)


def test_the_slope_is_looked_at_between_reals_and_fakes():
    """Of half the squared norm the slope at x is |x|, so the place can be told."""
    real, fake = IMAGES
    share = jnp.array([0.0, 0.25, 0.5, 1.0])
    found = slope_penalty(
        lambda x: jnp.sum(x**2, axis=(1, 2, 3)) / 2, real, fake, share
    )
    weight = np.asarray(share)[:, None, None, None]
    between = weight * np.asarray(real) + (1 - weight) * np.asarray(fake)
    norms = np.sqrt((between**2).sum((1, 2, 3)))
    np.testing.assert_allclose(found, (norms - 1) ** 2, rtol=1e-4)


def test_a_judge_without_slope_has_a_finite_gradient():
    def penalty(scale):
        return slope_penalty(
            lambda x: scale * jnp.sum(x, axis=(1, 2, 3)), *IMAGES, jnp.zeros(4)
        ).sum()

    assert np.isfinite(jax.grad(penalty)(0.0))
