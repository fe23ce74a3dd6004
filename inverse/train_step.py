"""One step of synchronous training, written for one device's share of the batch."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from inverse.factories import Network
from inverse.optimizer import averaged
from inverse.train_state import TrainState
from parallel.accumulation import accumulated
from parallel.first_bad import first_bad
from parallel.named_leaves import named_leaves
from parallel.precision import after_step, keep_if, unscaled
from parallel.reduction import Reduction


def judged(loss: Any, batch_stats: Any, grads: Any, opt_state: Any) -> dict[str, Any]:
    """All that must be finite for a step to be applied, in the order of blame.

    Moments too: the square of a finite gradient may not be, and would stay.
    """
    return {
        "loss": loss,
        **named_leaves(
            {"batch_stats": batch_stats, "gradient": grads, "opt_state": opt_state}
        ),
    }


def names_of_judged(state: TrainState) -> list[str]:
    """Names of all that must be finite, in the order of blame."""
    return list(judged(None, state.batch_stats, state.params, state.opt_state))


def make_train_step(
    network: Network,
    loss_fn: Callable[..., jax.Array],
    optimizer: optax.GradientTransformation,
    reduction: Reduction,
    *,
    ema_decay: float,
    num_micro_batches: int = 1,
    dropout_key: jax.Array | None = None,
) -> Callable[[TrainState, dict], tuple[TrainState, dict[str, jax.Array]]]:
    """Makes train_step(state, batch) -> (state, metrics).

    Args:
      network: what is trained.
      loss_fn: (prediction, truth, step) -> cost of every pixel.
      optimizer: optax transformation.
      reduction: everything that crosses devices.
      ema_decay: of the averaged parameters.
      num_micro_batches: parts of a device's batch that take turns; their gradients
        are reduced once.
      dropout_key: of all that is dropped; a batch's "number" [n, 2] and the step give
        each sample its own. None: nothing is.
    """

    def train_step(state: TrainState, batch: dict[str, jax.Array]):
        def value_and_grad(params, patterns, density, *numbers):
            def scaled_loss(params):
                prediction, batch_stats = network.apply(
                    params,
                    state.batch_stats,
                    patterns,
                    train=True,
                    keys=_keys(dropout_key, state.step, *numbers) if numbers else None,
                )
                loss = loss_fn(prediction, density, state.step).mean()
                return loss * state.loss_scale.scale, (loss, batch_stats)

            grads, found = jax.grad(scaled_loss, has_aux=True)(params)
            return found, grads

        params = reduction.as_local(state.params)
        parts = [batch["input"], batch["target"]]
        if dropout_key is not None:
            parts.append(batch["number"])
        accumulate = accumulated(value_and_grad, num_micro_batches)
        (loss, batch_stats), grads = accumulate(params, *parts)
        loss = reduction.mean(loss)
        if network.axis_name is None:  # otherwise they are shared already
            batch_stats = reduction.mean(batch_stats)
        # The scaled gradient travels, or a narrow wire would lose the small ones.
        grads = unscaled(reduction.reduce(grads), state.loss_scale)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        # Judged on what all devices hold alike: replicas that decide for themselves
        # drift apart.
        bad_tensor = first_bad(judged(loss, batch_stats, grads, opt_state))
        finite = bad_tensor == 0
        params = optax.apply_updates(state.params, updates)
        ema = averaged(params, state.ema, state.step, ema_decay)
        new = (params, batch_stats, opt_state, ema)
        old = (state.params, state.batch_stats, state.opt_state, state.ema)
        params, batch_stats, opt_state, ema = keep_if(finite, new, old)
        loss_scale = after_step(state.loss_scale, finite)
        metrics = {
            "loss": loss,
            "gradient_norm": optax.tree.norm(grads),
            "loss_scale": state.loss_scale.scale,
            "steps_skipped": loss_scale.skipped,
            "skipped_in_a_row": loss_scale.skipped_in_a_row,
            "bad_tensor": bad_tensor,
        }
        state = TrainState(
            state.step + 1, params, batch_stats, opt_state, ema, loss_scale
        )
        return state, metrics

    return train_step


def _keys(key: jax.Array, step: jax.Array, numbers: jax.Array) -> jax.Array:
    """Keys of a step's samples [n], by their numbers uint32 [n, 2]."""
    at = jax.random.fold_in(key, step)

    def one(number):
        return jax.random.fold_in(jax.random.fold_in(at, number[0]), number[1])

    return jax.vmap(one)(numbers)


def make_predict(network: Network) -> Callable[[Any, Any, jax.Array], jax.Array]:
    """Makes predict(params, batch_stats, input [n, y, x, c]) -> [n, y, x], or more."""

    def predict(params, batch_stats, patterns):
        return network.apply(params, batch_stats, patterns, train=False)[0]

    return predict
