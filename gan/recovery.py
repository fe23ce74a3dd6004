"""Labels whose numbers went bad go back to their last good state, alone."""

from typing import Any

import jax
import numpy as np

from gan.train_state import TrainState
from parallel.checkpoint import Checkpointer
from parallel.mesh import to_host
from parallel.run_log import log

# A few skipped steps heal by themselves; parameters that are not finite never do.
PATIENCE = 10


def bad_entries(state: TrainState) -> list[int]:
    """Entries whose last step was skipped."""
    return np.flatnonzero(to_host(state.skipped_in_a_row)).tolist()


def _last_good(setup, checkpointer: Checkpointer, entry: int) -> tuple[int, Any]:
    """The newest saved state in which `entry` was healthy, or the initial one."""
    for step in reversed(checkpointer.all_steps()):
        if entry not in checkpointer.extra(step)["bad_entries"]:
            abstract = setup.abstract_state(setup.state_layout)
            return step, checkpointer.restore(step, abstract)
    return 0, setup.create_state()


def _with_entry_of(state: TrainState, good: TrainState, entry: int) -> TrainState:
    def put_back(now, then):
        is_entry = np.arange(now.shape[0]) == entry
        return jax.numpy.where(is_entry.reshape(-1, *[1] * (now.ndim - 1)), then, now)

    mended = jax.tree.map(put_back, state, good)
    # The step stays: batches and latents go on, those that did harm are not repeated.
    return mended.replace(
        step=state.step,
        skipped=state.skipped,
        skipped_in_a_row=put_back(
            state.skipped_in_a_row, jax.numpy.zeros_like(state.skipped_in_a_row)
        ),
    )


def revert_stuck_entries(
    setup, state: TrainState, skipped_in_a_row: np.ndarray, checkpointer: Checkpointer
) -> TrainState:
    """Brings every stuck entry back to its last good state, and no other entry.

    Args:
      setup: of the run.
      state: stack of pairs.
      skipped_in_a_row: of every entry [entry].
      checkpointer: holds older states.

    Returns:
      The mended stack; the very same object if no entry is stuck.
    """
    mend = jax.jit(_with_entry_of, static_argnums=2, out_shardings=setup.state_layout)
    for entry in np.flatnonzero(skipped_in_a_row >= PATIENCE).tolist():
        step, good = _last_good(setup, checkpointer, entry)
        log.warning(
            "label %d: its last %d steps were not finite; back to step %d.",
            entry,
            skipped_in_a_row[entry],
            step,
        )
        state = mend(state, good, entry)
    return state
