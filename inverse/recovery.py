"""A run whose numbers went bad goes back to its last good state, once."""

import pathlib

import jax

from inverse.setup import Setup
from inverse.train_state import TrainState
from inverse.train_step import names_of_judged
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.first_bad import BadNumbers
from parallel.last_good import last_good
from parallel.precision import all_finite
from parallel.run_log import log

# Skipped in a row: a loss scale that has halved so often will find nothing finite.
PATIENCE = 25


class Recovery:
    """Looks at what steps said of their numbers, and mends the state."""

    def __init__(
        self, config, workdir: pathlib.Path, setup: Setup, checkpointer: Checkpointer
    ):
        """Starts with nothing; `checkpointer` holds older states, all finite."""
        self._config, self._setup, self._checkpointer = config, setup, checkpointer
        names = names_of_judged(setup.abstract_state())
        self._bad_numbers = BadNumbers(workdir, names, config.seed)
        self._all_finite = jax.jit(all_finite)
        self._went_back_to: int | None = None

    def see(self, step: int, code: jax.Array) -> None:
        """Keeps what the step after `step` steps said, see `first_bad`."""
        self._bad_numbers.see(step, 1, code)

    def mended(self, state: TrainState, saved_step: int) -> TrainState:
        """Names what went bad; returns `state`, or an older one in its place.

        A skipped step leaves the state as it was, so a few of them pass. A state that
        is not finite itself never does, and neither does what was skipped 25 times in
        a row: then all but the step is the newest checkpoint's, and the batches that
        did harm are not seen again. All processes call it together.

        Args:
          state: as it is now.
          saved_step: the newest checkpoint; 0: the state before the first step.

        Raises:
          RunError: it went back to that very checkpoint before.
        """
        self._bad_numbers.look(state, saved_step)
        skipped = int(state.loss_scale.skipped_in_a_row)
        if not skipped:
            return state
        if skipped < PATIENCE and bool(self._all_finite(state)):
            return state
        step, good = last_good(self._setup, self._checkpointer)
        if step == self._went_back_to:
            raise RunError(
                f"the last {skipped} steps were not finite, again, after going back to "
                f"step {step}; lower config.optimizer.learning_rate, or compute wider: "
                f"config.model.dtype={self._config.model.dtype!r}."
            )
        log.warning(
            "the last %d steps were not finite; back to step %d.", skipped, step
        )
        self._went_back_to = step
        return good.replace(step=state.step)
