"""Laws of one pair's step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import digits
from gan.check_config import Facts
from gan.factories import step_settings
from gan.may_change import may_change
from gan.setup import make_setup
from gan.train_step import example_keys, latents_at
from tests.gan.small_stack import small_stack

GAMES = [
    ("non_saturating", 0.0, 1, "batch"),
    ("hinge", 0.0, 1, "batch"),
    ("least_squares", 0.0, 2, "batch"),
    ("wasserstein", 10.0, 3, "layer"),
]


@pytest.mark.parametrize(("loss", "penalty", "rounds", "normalisation"), GAMES)
def test_every_game_changes_both_networks_and_stays_finite(
    loss, penalty, rounds, normalisation
):
    stack = small_stack(
        1,
        loss=loss,
        gradient_penalty=penalty,
        rounds=rounds,
        normalisation=normalisation,
    )
    before = jax.device_get(stack.state)
    after, metrics = stack.run(steps=2)
    assert np.isfinite(metrics["generator_loss"]).all()
    assert metrics["skipped"] == 0
    for side in ("generator", "discriminator"):
        for old, new in zip(
            jax.tree.leaves(getattr(before, side).params),
            jax.tree.leaves(getattr(after, side).params),
            strict=True,
        ):
            assert (old != new).any()


def _params(state):
    return jax.tree.leaves((state.generator.params, state.discriminator.params))


def test_a_share_of_the_learning_rate_moves_both_networks_by_that_share():
    before = jax.device_get(_params(small_stack(1).state))
    whole, _ = small_stack(1).run(steps=1)
    part, _ = small_stack(1, rate_share=lambda step: jnp.float32(0.25)).run(steps=1)
    for x, a, b in zip(before, _params(whole), _params(part), strict=True):
        np.testing.assert_allclose(b - x, 0.25 * (a - x), rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_rates_fall_with_the_runs_steps_however_many_rounds_each_has(rounds):
    """Full until step 2, none from there on: of both networks, and to the bit."""
    game = {"loss": "wasserstein", "gradient_penalty": 10.0, "normalisation": "layer"}
    game |= {"rounds": rounds, "batch_size": 10}

    def run(steps, full_until):
        share = lambda step: jnp.where(step < full_until, 1.0, 0.0)  # noqa: E731
        stack = small_stack(1, **game, rate_share=share)
        return stack.run(steps=steps, batch_size=10)[0]

    whole, stopped = run(2, full_until=99), run(4, full_until=2)
    for a, b in zip(_params(whole), _params(stopped), strict=True):
        np.testing.assert_array_equal(a, b)
    assert stopped.step == 4


def test_the_last_share_of_the_steps_is_the_one_that_decays():
    config = digits.get_config("smoke")
    config.num_steps = 8
    assert step_settings(config).rate_share is None
    config.optimizer.decay_share = 0.5
    share = step_settings(config).rate_share
    found = [float(share(jnp.int32(step))) for step in range(8)]
    np.testing.assert_allclose(found, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    # Then another number of steps is another run.
    assert "num_steps" in may_change(digits.get_config("smoke"))
    assert "num_steps" not in may_change(config)


@pytest.mark.parametrize("rounds", [1, 3])
def test_sharing_the_batch_changes_no_game(rounds):
    game = {"loss": "wasserstein", "gradient_penalty": 10.0, "normalisation": "layer"}
    alone, _ = small_stack(1, rounds=rounds, **game).run(steps=3)
    stack = small_stack(1, num_devices=2, rounds=rounds, batch_size=12, **game)
    assert stack.mesh.shape["data"] == 2
    shared, _ = stack.run(steps=3)
    for left, right in zip(
        jax.tree.leaves(alone.generator.params),
        jax.tree.leaves(shared.generator.params),
        strict=True,
    ):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_bfloat16_computes_near_float32_and_keeps_float32_parameters():
    exact, exact_metrics = small_stack(1).run(steps=1)
    rounded, rounded_metrics = small_stack(1, dtype="bfloat16").run(steps=1)
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(rounded.generator.params))
    for name in ("generator_loss", "discriminator_loss"):
        np.testing.assert_allclose(
            rounded_metrics[name], exact_metrics[name], rtol=0.05
        )
        assert rounded_metrics[name] != exact_metrics[name]
    del exact


def test_a_conditional_pair_listens_to_the_class():
    stack = small_stack(1, num_classes=3)
    state = jax.device_get(stack.state)
    params, stats = jax.tree.map(
        lambda x: x[0], (state.generator.params, state.generator.batch_stats)
    )
    latents = jnp.ones((2, 12))
    images, _ = stack.pair.generator.apply(
        params, stats, latents, jnp.array([0, 1]), train=False
    )
    assert not np.allclose(images[0], images[1])


def test_latents_depend_on_their_address_alone():
    key = jax.random.key(0)

    def at(step, entry, examples):
        examples = jnp.asarray(examples)
        return np.asarray(latents_at(example_keys(key, step, entry, examples), 0, 4))

    together = at(3, 1, [0, 1, 2, 3])
    np.testing.assert_array_equal(at(3, 1, [2, 3]), together[2:])
    for other in (at(4, 1, [0, 1, 2, 3]), at(3, 2, [0, 1, 2, 3])):
        assert not np.isclose(other, together).any()


def test_the_average_follows_the_generator():
    stack = small_stack(1)
    state, _ = stack.run(steps=1)
    first = jax.device_get(small_stack(1).state)
    for average, old, new in zip(
        jax.tree.leaves(state.ema),
        jax.tree.leaves(first.ema),
        jax.tree.leaves(state.generator.params),
        strict=True,
    ):
        decay = 1 / 10  # of the first step, see train_step
        np.testing.assert_allclose(
            average, decay * old + (1 - decay) * new, rtol=1e-5, atol=1e-7
        )


def test_devices_share_what_meets_in_one_round_of_the_discriminator():
    """Twenty images in five rounds are four a round: four devices can share them."""
    config = digits.get_config("conditional")
    config.per_entry_batch_size = 20
    config.optimizer.discriminator_steps = 5
    setup = make_setup(config, Facts(10, 1), jax.devices())
    assert dict(setup.mesh.shape) == {"label": 1, "data": 4}
