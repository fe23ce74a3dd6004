"""What training changes."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from parallel.precision import LossScale, create_loss_scale


class TrainState(flax.struct.PyTreeNode):
    """Nested dicts with plain names, the same on every device.

    Attributes:
      step: batches seen, int32; those of skipped steps too.
      params: float32, whatever the network computes in.
      batch_stats: running statistics of the normalisations.
      opt_state: of the optimizer.
      ema: exponential moving average of `params`; predictions use it.
      loss_scale: of narrow types, and the count of skipped steps.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    loss_scale: LossScale


def create_train_state(
    key: jax.Array, make_module: Any, optimizer: optax.GradientTransformation, dtype
) -> TrainState:
    """Creates the state of a module.

    Args:
      key: source of the initial values.
      make_module: nnx.Rngs -> module.
      optimizer: optax transformation.
      dtype: name of the type that the network computes in.
    """
    module = make_module(nnx.Rngs(key))
    params = nnx.to_pure_dict(nnx.state(module, nnx.Param))
    return TrainState(
        step=jnp.int32(0),
        params=params,
        batch_stats=nnx.to_pure_dict(nnx.state(module, nnx.BatchStat)),
        opt_state=optimizer.init(params),
        # A copy: two leaves in one buffer could not both be donated to a step.
        ema=jax.tree.map(jnp.copy, params),
        loss_scale=create_loss_scale(dtype),
    )
