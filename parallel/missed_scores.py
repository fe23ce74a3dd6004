"""Scores that a run owes because it was ended before it had them."""

from collections.abc import Callable
from typing import Any

from parallel.metric_writers import MetricWriter
from parallel.time_log import Phase
from parallel.watchdog import Watch


def make_up_for_scores(
    step: int,
    every: int,
    writer: MetricWriter,
    watch: Watch,
    score: Callable[[int], Any],
) -> None:
    """Scores the step that a run goes on from, if that is due and was not done.

    A run that is stopped saves before it scores, and may be killed in between: what
    goes on after that step would never come by it again. All processes call it.

    Args:
      step: that was restored; 0: nothing was.
      every: steps from one score to the next.
      writer: knows which steps have their scores.
      watch: is told what is being done.
      score: scores the restored state, and writes its line last.
    """
    if step and step % every == 0 and not writer.has_scores(step):
        watch.now(Phase.EVALUATION, step)
        score(step)
