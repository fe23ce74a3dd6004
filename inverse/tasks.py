"""Which problem a configuration states, and who has its data and its scores."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from inverse.density import data as density_data
from inverse.density import evaluate
from inverse.distortion import data as distortion_data
from inverse.distortion import scores as distortion_scores

SMALLER_IS_BETTER = (*evaluate.SMALLER_IS_BETTER, *distortion_scores.SMALLER_IS_BETTER)


class Task(NamedTuple):
    """What the trainer asks of a problem.

    Attributes:
      open_source: config -> source, with `held_out`, the splits that are scored; the
        best checkpoint is chosen on the first.
      make_batches: (config, setup, source, workdir) -> object with `batch_at(step)`.
      make_evaluator: the same -> object with `run`, `panels` and `table`.
    """

    open_source: Callable[[Any], Any]
    make_batches: Callable[[Any, Any, Any, pathlib.Path], Any]
    make_evaluator: Callable[[Any, Any, Any, pathlib.Path], Any]


def task_of(config) -> Task:
    """The task that `config.task` names."""
    if config.task == "distortion":
        return Task(
            distortion_data.open_source,
            distortion_data.make_batches,
            distortion_data.make_evaluator,
        )
    return Task(
        density_data.open_source,
        lambda config, setup, source, _: density_data.make_batches(
            config, setup, source
        ),
        lambda config, setup, source, _: density_data.make_evaluator(
            config, setup, source
        ),
    )
