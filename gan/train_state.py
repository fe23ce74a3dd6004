"""The state of one generator/discriminator pair, and of a stack of pairs."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import nnx

# The program that draws initial values runs once: on a CPU, optimising it took 15 s
# where the program itself takes 0.1 s.
_QUICK_COMPILE = {"cpu": {"xla_backend_optimization_level": 0}}


class Network(NamedTuple):
    """A module taken apart into what is traced and what is not."""

    graphdef: Any

    def apply(
        self, params: Any, batch_stats: Any, *inputs: jax.Array, train: bool
    ) -> tuple[jax.Array, Any]:
        """Returns (outputs, batch statistics after them)."""
        module = nnx.merge(self.graphdef, params, batch_stats)
        outputs = module(*inputs, train=train)
        return outputs, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))


class Pair(NamedTuple):
    """How to make and run one generator/discriminator pair.

    Attributes:
      make_generator: nnx.Rngs -> generator module.
      make_discriminator: nnx.Rngs -> discriminator module.
      generator: the generator, taken apart.
      discriminator: the discriminator, taken apart.
      generator_optimizer: optax transformation.
      discriminator_optimizer: optax transformation.
      latent_size: length of a latent.
    """

    make_generator: Any
    make_discriminator: Any
    generator: Network
    discriminator: Network
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    latent_size: int


def make_pair(
    make_generator: Any,
    make_discriminator: Any,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    latent_size: int,
) -> Pair:
    """Takes both modules apart without computing anything."""

    def graphdef(make):
        return nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))[0]

    return Pair(
        make_generator,
        make_discriminator,
        Network(graphdef(make_generator)),
        Network(graphdef(make_discriminator)),
        generator_optimizer,
        discriminator_optimizer,
        latent_size,
    )


class NetworkState(flax.struct.PyTreeNode):
    """What training changes in one network: nested dicts with plain names."""

    params: Any
    batch_stats: Any
    opt_state: Any


class TrainState(flax.struct.PyTreeNode):
    """One pair; in a stack of pairs every leaf has a leading entry axis.

    Attributes:
      step: optimisation steps taken, int32.
      generator: the generator.
      discriminator: the discriminator.
      ema: exponential moving average of the generator's parameters; it shares the
        generator's running batch statistics, which are an average already.
      skipped: steps that were not applied because something was not finite, int32.
      skipped_in_a_row: those since the last step that was applied, int32.
    """

    step: jax.Array
    generator: NetworkState
    discriminator: NetworkState
    ema: Any
    skipped: jax.Array
    skipped_in_a_row: jax.Array


def _create_network(make, optimizer, key) -> NetworkState:
    module = make(nnx.Rngs(key))
    params = nnx.to_pure_dict(nnx.state(module, nnx.Param))
    batch_stats = nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))
    return NetworkState(params, batch_stats, optimizer.init(params))


def create_train_state(key: jax.Array, pair: Pair) -> TrainState:
    """Creates one pair from `key`."""
    generator_key, discriminator_key = jax.random.split(key)
    generator = _create_network(
        pair.make_generator, pair.generator_optimizer, generator_key
    )
    discriminator = _create_network(
        pair.make_discriminator, pair.discriminator_optimizer, discriminator_key
    )
    return TrainState(
        step=jnp.int32(0),
        generator=generator,
        discriminator=discriminator,
        # A copy: two leaves in one buffer could not both be donated to a step.
        ema=jax.tree.map(jnp.copy, generator.params),
        skipped=jnp.int32(0),
        skipped_in_a_row=jnp.int32(0),
    )


def create_stack(key: jax.Array, pair: Pair, num_entries: int, layout: Any = None):
    """Creates `num_entries` pairs; every leaf gains a leading entry axis.

    An entry's initial values depend on `key` and its number alone, not on how many
    others there are or where they lie.

    Args:
      key: source of all initial values.
      pair: what to create.
      num_entries: how many.
      layout: sharding of the leaves; None for the default device.
    """

    def create(entry):
        return create_train_state(jax.random.fold_in(key, entry), pair)

    create_all = jax.jit(
        jax.vmap(create),
        out_shardings=layout,
        compiler_options=_QUICK_COMPILE.get(jax.default_backend(), {}),
    )
    return create_all(jnp.arange(num_entries))


def abstract_stack(pair: Pair, num_entries: int):
    """Shapes and dtypes of what `create_stack` creates, without creating it."""
    create = jax.vmap(lambda key: create_train_state(key, pair))
    return jax.eval_shape(create, jax.random.split(jax.random.key(0), num_entries))


def num_params(params: Any) -> int:
    """Counts the numbers in `params`."""
    return sum(x.size for x in jax.tree.leaves(params))
