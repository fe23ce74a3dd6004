"""Labels whose numbers went bad go back to their last good state, alone."""

import jax
import jax.numpy as jnp
import numpy as np

from gan.train_state import TrainState
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.last_good import last_good
from parallel.mesh import to_host
from parallel.run_log import log

# A few skipped steps heal by themselves; parameters that are not finite never do.
PATIENCE = 10
IN_VAIN = 3  # times that an entry is brought back before it is called lost


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


class Recovery:
    """Brings stuck entries back, and knows which it brings back in vain."""

    def __init__(self, setup, checkpointer: Checkpointer):
        """Nothing was brought back yet.

        Args:
          setup: of the run.
          checkpointer: holds older states, in which every entry is healthy.
        """
        self._setup, self._checkpointer = setup, checkpointer
        self._in_vain = np.zeros(setup.num_entries, int)
        self._good_steps_then = np.full(setup.num_entries, -PATIENCE)
        self._mend = jax.jit(
            _with_entries_of, donate_argnums=0, out_shardings=setup.state_layout
        )

    @property
    def lost(self) -> list[int]:
        """Entries that break however often they are brought back."""
        return np.flatnonzero(self._in_vain >= IN_VAIN).tolist()

    def mend(self, state: TrainState, *, is_kept: bool = False) -> TrainState:
        """Brings every stuck entry back to its last good state, and no other entry.

        A step that was skipped left a good state behind, so an entry is stuck only
        after many of them, or if the state itself is not finite.

        Args:
          state: stack of pairs.
          is_kept: the state is to be seen or saved next: one that is not finite is not
            waited for.

        Returns:
          The mended stack; the very same object if no entry is stuck.

        Raises:
          RunError: every entry is brought back in vain.
        """
        skipped = to_host(state.skipped_in_a_row)
        stuck = skipped >= PATIENCE
        if is_kept and skipped.any():
            stuck |= ~to_host(_are_finite(state))
        if not stuck.any():
            return state
        step, good = last_good(self._setup, self._checkpointer)
        for entry in np.flatnonzero(stuck).tolist():
            log.warning(
                "label %d: its last %d steps were not finite; back to step %d.",
                entry,
                skipped[entry],
                step,
            )
        self._count(stuck, to_host(state.step) - to_host(state.skipped), step)
        return self._mend(state, good, stuck)

    def _count(self, stuck: np.ndarray, good_steps: np.ndarray, step: int) -> None:
        """Counts what breaks again without many good steps since it was mended."""
        lost, since = self.lost, good_steps - self._good_steps_then
        self._in_vain[stuck] = np.where(since < PATIENCE, self._in_vain + 1, 1)[stuck]
        self._good_steps_then[stuck] = good_steps[stuck]
        if len(self.lost) == len(stuck):
            raise RunError(
                f"config.optimizer: no label gets on: each was brought back {IN_VAIN} "
                f"times, to step {step} at last, and breaks again (bad_numbers/ in the "
                "workdir names what broke first); lower the learning rates."
            )
        for entry in set(self.lost) - set(lost):
            log.error(
                "label %d was brought back %d times and breaks again: it stays as it "
                "was, the others go on.",
                *(entry, IN_VAIN),
            )
