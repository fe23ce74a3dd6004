"""The one step of a run that is best by a score."""

import math
import pathlib
from typing import Any

from parallel.checkpoint import Checkpointer


class BestCheckpoint:
    """Keeps the one step with the best score."""

    def __init__(self, directory: pathlib.Path, *, larger_is_better: bool):
        """Opens `directory`."""
        self.checkpointer = Checkpointer(directory, keep=None)
        self._sign = 1.0 if larger_is_better else -1.0

    def _goodness(self, step: int, name: str) -> float:
        """Of a saved step; what was judged by another score beats nothing."""
        extra = self.checkpointer.extra(step)
        score = extra.get("score")
        if extra.get("score_name") != name or not isinstance(score, int | float):
            return -math.inf
        return self._sign * score

    def offer(
        self, step: int, name: str, score: float, state: Any, extra: dict
    ) -> bool:
        """Saves `state` if its `score` beats the best so far; tells whether it did.

        A resumed run comes by steps that it was at before: there the same score
        again beats nothing, and the best stays what it was. A run that was resumed
        with another score begins anew. A best that was damaged since is named, set
        aside and beaten by any score: it is read whole each time.

        Args:
          step: of the state.
          name: of the score, whole: scores of other networks or numbers of images do
            not compare.
          score: of the state; the same on all processes.
          state: see `Checkpointer.save`.
          extra: see `Checkpointer.save`.
        """
        if not math.isfinite(score):
            return False
        steps = self.checkpointer.good_steps()
        best = max((self._goodness(s, name) for s in steps), default=-math.inf)
        if self._sign * score <= best:
            return False
        if step in steps:
            self.checkpointer.delete(step)
        # The new best is complete before the old one goes.
        judged = {"score": score, "score_name": name}
        self.checkpointer.save(step, state, {**judged, **extra})
        for other in set(steps) - {step}:
            self.checkpointer.delete(other)
        return True
