"""Labels whose numbers went bad go back to their last good state, alone."""

import jax
import numpy as np

from gan.train_state import TrainState
from parallel.checkpoint import Checkpointer
from parallel.last_good import last_good
from parallel.mesh import to_host
from parallel.run_log import log

# A few skipped steps heal by themselves; parameters that are not finite never do.
PATIENCE = 10


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
    setup, state: TrainState, checkpointer: Checkpointer, patience: int = PATIENCE
) -> TrainState:
    """Brings every stuck entry back to its last good state, and no other entry.

    Args:
      setup: of the run.
      state: stack of pairs.
      checkpointer: holds older states, in which every entry is healthy.
      patience: steps skipped in a row from which an entry is stuck.

    Returns:
      The mended stack; the very same object if no entry is stuck.
    """
    skipped = to_host(state.skipped_in_a_row)
    stuck = np.flatnonzero(skipped >= patience).tolist()
    if not stuck:
        return state
    step, good = last_good(setup, checkpointer)
    mend = jax.jit(
        _with_entry_of,
        static_argnums=2,
        donate_argnums=0,
        out_shardings=setup.state_layout,
    )
    for entry in stuck:
        log.warning(
            "label %d: its last %d steps were not finite; back to step %d.",
            entry,
            skipped[entry],
            step,
        )
        state = mend(state, good, entry)
    return state
