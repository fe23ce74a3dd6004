"""From a checked configuration to the things that it names.

Nothing below this file sees a ConfigDict.
"""

import functools

import jax.numpy as jnp
import optax

from gan.check_config import Facts
from gan.label_sharded_step import fastest_loop
from gan.losses import make_loss
from gan.models import Discriminator, Generator
from gan.train_state import Pair, make_pair
from gan.train_step import StepSettings
from parallel.reduction import Reduction


def make_pair_from(config, facts: Facts, reduction: Reduction) -> Pair:
    """Returns the networks and optimizers that `config` describes.

    Args:
      config: the whole configuration.
      facts: what the data decides.
      reduction: batch statistics are shared over its axis.
    """
    model, optimizer = config.model, config.optimizer
    shared = {
        "features": tuple(model.features),
        "channels": facts.channels,
        "num_classes": facts.num_labels if model.conditioning == "class" else 0,
        "axis_name": reduction.axis_name,
        "dtype": jnp.dtype(model.dtype),
    }

    def make_generator(rngs):
        return Generator(**shared, latent_size=model.latent_size, rngs=rngs)

    def make_discriminator(rngs):
        return Discriminator(
            **shared, normalisation=model.discriminator_normalisation, rngs=rngs
        )

    adam = functools.partial(optax.adam, b1=optimizer.beta1, b2=optimizer.beta2)
    return make_pair(
        make_generator,
        make_discriminator,
        adam(optimizer.generator_learning_rate),
        adam(optimizer.discriminator_learning_rate),
        model.latent_size,
    )


def step_settings(config) -> StepSettings:
    """Returns the numbers of a training step."""
    optimizer = config.optimizer
    return StepSettings(
        make_loss(optimizer.loss, optimizer.gradient_penalty),
        optimizer.discriminator_steps,
        optimizer.ema_decay,
        _rate_share(config.num_steps, optimizer.decay_share),
    )


def _rate_share(num_steps: int, decay_share: float) -> optax.Schedule | None:
    """Share of the learning rates by step, counted as the run counts: None is 1.

    Not Adam's own schedule: its count would run on with every round of the
    discriminator, and stand still where a step was not applied.
    """
    if not decay_share:
        return None
    decay_steps = decay_share * num_steps
    return lambda step: jnp.clip((num_steps - step) / decay_steps, 0.0, 1.0)


def entry_loop(config, platform: str) -> str:
    """Returns how the pairs of one device take turns on `platform`."""
    loop = config.parallel.entry_loop
    return fastest_loop(platform) if loop == "auto" else loop
