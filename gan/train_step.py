"""One training step of one pair, and of a stack of pairs on a mesh."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan.losses import Loss, slope_penalty
from gan.train_state import NetworkState, Pair, TrainState
from parallel.first_bad import first_bad
from parallel.named_leaves import named_leaves
from parallel.precision import keep_if
from parallel.reduction import Reduction

# Draws at one address (step, entry, example) are told apart by what they are for:
# latents of round r take r, the mixing shares of its penalty take this plus r.
_MIXING = 1000

# What a step reports of its pair.
METRICS = {
    "generator_loss": jnp.float32,
    "discriminator_loss": jnp.float32,
    "skipped": jnp.int32,
    "skipped_in_a_row": jnp.int32,
    "bad_tensor": jnp.int32,
}


class StepSettings(NamedTuple):
    """The numbers of a step.

    Attributes:
      loss: the game.
      discriminator_steps: updates of the discriminator per update of the generator.
      ema_decay: of the generator's averaged parameters.
      rate_share: step -> share of the learning rates that is taken; None: all of it.
    """

    loss: Loss
    discriminator_steps: int
    ema_decay: float
    rate_share: Callable[[jax.Array], jax.Array] | None = None


def example_keys(
    key: jax.Array, step: jax.Array, entry: jax.Array, examples: jax.Array
) -> jax.Array:
    """Keys [n] of the draws of `examples` [n], the same on any mesh."""
    key = jax.random.fold_in(jax.random.fold_in(key, step), entry)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, examples)


def latents_at(keys: jax.Array, purpose: int, latent_size: int) -> jax.Array:
    """Standard normal latents [n, latent_size], one per key in `keys` [n]."""

    def draw(key):
        return jax.random.normal(jax.random.fold_in(key, purpose), (latent_size,))

    return jax.vmap(draw)(keys)


def to_float(images: jax.Array) -> jax.Array:
    """Maps pixels 0..255 (uint8) to -1..1 (float32)."""
    return images.astype(jnp.float32) / 127.5 - 1


def _updated(
    network: NetworkState, optimizer, grads, batch_stats, share
) -> NetworkState:
    updates, opt_state = optimizer.update(grads, network.opt_state, network.params)
    if share is not None:
        updates = jax.tree.map(lambda x: x * share.astype(x.dtype), updates)
    params = optax.apply_updates(network.params, updates)
    return NetworkState(params, batch_stats, opt_state)


def _update_generator(pair, settings, reduction, state, latents, classes):
    """Returns (generator, discriminator's statistics, fakes, loss)."""
    generator, discriminator = state.generator, state.discriminator
    judge_params = reduction.as_local(discriminator.params)

    def make(params):
        return pair.generator.apply(
            params, generator.batch_stats, latents, classes, train=True
        )

    def loss_fn(fakes):
        logits, stats = pair.discriminator.apply(
            judge_params, discriminator.batch_stats, fakes, classes, train=True
        )
        return settings.loss.generator(logits).mean(), stats

    # The fakes are kept for the discriminator, so the generator runs once a step.
    fakes, pull_back, generator_stats = jax.vjp(
        make, reduction.as_local(generator.params), has_aux=True
    )
    (loss, judge_stats), slopes = jax.value_and_grad(loss_fn, has_aux=True)(fakes)
    grads = reduction.reduce(pull_back(slopes)[0])
    generator = _updated(
        generator,
        pair.generator_optimizer,
        grads,
        generator_stats,
        _share(settings, state.step),
    )
    return generator, judge_stats, fakes, reduction.mean(loss)


def _share(settings: StepSettings, step: jax.Array) -> jax.Array | None:
    return None if settings.rate_share is None else settings.rate_share(step)


def _update_discriminator(
    pair, settings, reduction, discriminator, step, real, fakes, classes, mixing
):
    """Returns (discriminator, loss)."""

    def loss_fn(params):
        judge = functools.partial(pair.discriminator.apply, params, train=True)
        on_real, stats = judge(discriminator.batch_stats, real, classes)
        on_fake, stats = judge(stats, fakes, classes)
        loss = settings.loss.discriminator(on_real, on_fake).mean()
        if settings.loss.gradient_penalty:
            penalty = slope_penalty(
                lambda images: judge(stats, images, classes)[0], real, fakes, mixing
            )
            loss += settings.loss.gradient_penalty * penalty.mean()
        return loss, stats

    params = reduction.as_local(discriminator.params)
    (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    grads = reduction.reduce(grads)
    discriminator = _updated(
        discriminator,
        pair.discriminator_optimizer,
        grads,
        stats,
        _share(settings, step),
    )
    return discriminator, reduction.mean(loss)


def make_train_step(
    pair: Pair, settings: StepSettings, reduction: Reduction
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """Returns the training step of one pair.

    The order is the published one: one batch of fakes; the generator first, then the
    discriminator on the same fakes; reals and fakes judged in separate passes.
    With more discriminator steps, each further one sees fresh fakes and other reals.

    Args:
      pair: networks and optimizers.
      settings: the game's numbers.
      reduction: what crosses devices.

    Returns:
      train_step(state, batch, entry, key) -> (state, metrics). `batch` holds "image"
      uint8 [n, y, x, c], "label" int32 [n] and "example" int32 [n], n a multiple of
      `discriminator_steps`; `entry` is the pair's number. A step that leaves anything
      behind that is not finite is not applied; it counts in `state.skipped`.
    """
    rounds = settings.discriminator_steps

    def train_step(state, batch, entry, key):
        # Interleaved, so that which images meet in a round does not depend on how
        # many devices share the batch.
        parts = jax.tree.map(lambda x: [x[r::rounds] for r in range(rounds)], batch)
        keys = [example_keys(key, state.step, entry, x) for x in parts["example"]]
        latents = [latents_at(k, r, pair.latent_size) for r, k in enumerate(keys)]

        generator, stats, fakes, generator_loss = _update_generator(
            pair, settings, reduction, state, latents[0], parts["label"][0]
        )
        discriminator = state.discriminator.replace(batch_stats=stats)
        losses = []
        for r in range(rounds):
            classes = parts["label"][r]
            if r > 0:
                fakes = _fresh_fakes(pair, generator, latents[r], classes)
            discriminator, loss = _update_discriminator(
                pair,
                settings,
                reduction,
                discriminator,
                state.step,
                to_float(parts["image"][r]),
                jax.lax.stop_gradient(fakes),
                classes,
                _mixing_shares(keys[r], r),
            )
            losses.append(loss)
        new = state.replace(
            generator=generator,
            discriminator=discriminator,
            ema=_averaged(settings, state, generator),
        )
        loss = sum(losses) / rounds
        return _unless_broken(state, new, generator_loss, loss)

    return train_step


def _fresh_fakes(pair: Pair, generator: NetworkState, latents, classes) -> jax.Array:
    fakes, _ = pair.generator.apply(
        generator.params, generator.batch_stats, latents, classes, train=True
    )
    return fakes


def _mixing_shares(keys: jax.Array, round_: int) -> jax.Array:
    """Shares of the real image [n] at which the penalty of a round looks."""
    return jax.vmap(
        lambda key: jax.random.uniform(jax.random.fold_in(key, _MIXING + round_))
    )(keys)


def _averaged(settings: StepSettings, state: TrainState, generator: NetworkState):
    """The generator's averaged parameters; early averages forget faster."""
    decay = jnp.minimum(settings.ema_decay, (1 + state.step) / (10 + state.step))
    return optax.incremental_update(generator.params, state.ema, 1 - decay)


def judged(
    state: TrainState, generator_loss: Any = None, discriminator_loss: Any = None
) -> dict[str, Any]:
    """All that must be finite for a step to be applied, in the order of blame.

    All that a step leaves behind is looked at, moments and averages included: what is
    broken in any of them comes out later, or never but in the pictures.
    """
    left = {
        "generator": state.generator,
        "discriminator": state.discriminator,
        "ema": state.ema,
    }
    return {
        "generator_loss": generator_loss,
        "discriminator_loss": discriminator_loss,
        **named_leaves(left),
    }


def _unless_broken(
    state: TrainState, new: TrainState, generator_loss, discriminator_loss
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Takes `new` if all of it is finite, else keeps `state`; counts, and reports."""
    # Judged after the reduction: every replica takes the same branch.
    bad_tensor = first_bad(judged(new, generator_loss, discriminator_loss))
    finite = bad_tensor == 0
    state = keep_if(finite, new, state).replace(
        step=state.step + 1,
        skipped=state.skipped + jnp.where(finite, 0, 1),
        skipped_in_a_row=jnp.where(finite, 0, state.skipped_in_a_row + 1),
    )
    metrics = {
        "generator_loss": generator_loss,
        "discriminator_loss": discriminator_loss,
        "skipped": state.skipped,
        "skipped_in_a_row": state.skipped_in_a_row,
        "bad_tensor": bad_tensor,
    }
    return state, metrics
