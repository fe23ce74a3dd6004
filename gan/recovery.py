"""Labels whose numbers went bad go back to their last good state, alone."""

import jax
import jax.numpy as jnp
import numpy as np

from gan.train_state import TrainState
from parallel.checkpoint import Checkpointer
from parallel.last_good import last_good
from parallel.mesh import to_host
from parallel.run_log import log

# A few skipped steps heal by themselves; parameters that are not finite never do.
PATIENCE = 10


def _with_entries_of(
    state: TrainState, good: TrainState, which: jax.Array
) -> TrainState:
    """Takes the entries that `which` [entries] marks from `good`."""

    def put_back(now, then):
        return jnp.where(which.reshape(-1, *[1] * (now.ndim - 1)), then, now)

    mended = jax.tree.map(put_back, state, good)
    # The step stays: batches and latents go on, those that did harm are not repeated.
    return mended.replace(
        step=state.step,
        skipped=state.skipped,
        skipped_in_a_row=put_back(
            state.skipped_in_a_row, jnp.zeros_like(state.skipped_in_a_row)
        ),
    )


@jax.jit
def _are_finite(state: TrainState) -> jax.Array:
    """Whether all that is kept of an entry is finite: [entries]."""
    finite = True
    for leaf in jax.tree.leaves(state):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            finite &= jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
    return finite


def revert_stuck_entries(
    setup, state: TrainState, checkpointer: Checkpointer, *, is_kept: bool = False
) -> TrainState:
    """Brings every stuck entry back to its last good state, and no other entry.

    A step that was skipped left a good state behind, so an entry is stuck only after
    many of them, or if the state itself is not finite.

    Args:
      setup: of the run.
      state: stack of pairs.
      checkpointer: holds older states, in which every entry is healthy.
      is_kept: the state is to be seen or saved next: one that is not finite is not
        waited for.

    Returns:
      The mended stack; the very same object if no entry is stuck.
    """
    skipped = to_host(state.skipped_in_a_row)
    stuck = skipped >= PATIENCE
    if is_kept and skipped.any():
        stuck |= ~to_host(_are_finite(state))
    if not stuck.any():
        return state
    step, good = last_good(setup, checkpointer)
    for entry in np.flatnonzero(stuck).tolist():
        log.warning(
            "label %d: its last %d steps were not finite; back to step %d.",
            entry,
            skipped[entry],
            step,
        )
    mend = jax.jit(_with_entries_of, donate_argnums=0, out_shardings=setup.state_layout)
    return mend(state, good, stuck)
