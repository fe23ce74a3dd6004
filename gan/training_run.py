"""A training run: its state, and everything that is done with it besides steps."""

import pathlib
from typing import Any

import numpy as np

from gan import data
from gan.evaluate import SMALLER_IS_BETTER, score_of
from gan.recovery import Recovery
from gan.setup import Setup
from gan.train_step import judged
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.first_bad import BadNumbers
from parallel.mesh import from_first_process, is_first_process
from parallel.metric_writers import MetricWriter
from parallel.run_log import log


class TrainingRun:
    """A training run's state and everything that is done with it besides steps."""

    def __init__(self, config, workdir: pathlib.Path, setup: Setup, images, extra):
        """Opens what is kept in `workdir`; nothing is computed yet.

        Args:
          config: a configuration of this room.
          workdir: of the run.
          setup: what is trained, and where.
          images: of the training set, as they are shown and scored.
          extra: kept with every state: the data that it was trained on.

        Raises:
          RunError: the run in `workdir` was trained on other data.
        """
        self.config, self.setup, self.workdir = config, setup, workdir
        self.checkpoints = Checkpointer(
            workdir / "checkpoints", keep=config.keep_checkpoints
        )
        self.best = BestCheckpoint(
            workdir / "best",
            larger_is_better=score_of(config.evaluation.best_metric)
            not in SMALLER_IS_BETTER,
        )
        self.recovery = Recovery(setup, self.checkpoints)
        self.images, self.evaluator = images, None
        names = list(judged(setup.abstract_state()))
        self.bad_numbers = BadNumbers(workdir, names, config.seed)
        self.extra = extra
        self.first_step = self.saved_step = self.checkpoints.latest_step() or 0
        if self.first_step:
            data.require_same(self.checkpoints.extra(self.first_step), extra)
        self.writer = MetricWriter(
            workdir, enabled=is_first_process(), resume_step=self.first_step
        )

    def begin(self) -> None:
        """Makes or restores the state; what can go wrong goes wrong before step 1."""
        if self.first_step:
            log.info("going on from step %d", self.first_step)
            self.state = self.checkpoints.restore(
                self.first_step, self.setup.abstract_state(self.setup.state_layout)
            )
        else:
            self.state = self.setup.create_state()
        if self.config.evaluation.networks:
            self.evaluator = data.make_evaluator(self.config, self.images)
        self._draw_reals()

    def generators(self) -> tuple[Any, Any]:
        """The averaged generators and their running statistics."""
        return self.state.ema, self.state.generator.batch_stats

    def mend(self, *, is_kept: bool = False) -> None:
        """Names what went bad; brings stuck labels back to their last good state."""
        self.bad_numbers.look(self.state, self.saved_step)
        self.state = self.recovery.mend(self.state, is_kept=is_kept)

    def save(self, step: int) -> None:
        """Saves the state, which is mended: so the newest is always good."""
        self.checkpoints.save(step, self.state, self.extra)
        self.saved_step = step

    def draw_grid(self, step: int) -> pathlib.Path:
        """Draws fakes, one row for each label; returns where."""
        columns = self.config.evaluation.grid_columns
        grid = self.setup.sampler.grid(*self.generators(), columns)
        return self.writer.image_grid(f"fakes-{step:06d}", grid)

    def _draw_reals(self) -> None:
        columns = self.config.evaluation.grid_columns
        rows = [
            self.images.images[
                np.resize(np.flatnonzero(self.images.labels == label), columns)
            ]
            for label in range(min(self.setup.facts.num_labels, 100))
        ]
        self.writer.image_grid("reals", np.stack(rows))

    def score(self, step: int) -> dict[str, float]:
        """Scores the averaged generators, and keeps them if they are the best."""
        if self.evaluator is None:
            return {}
        labels = data.labels_to_score(self.config, self.images)
        sampler = self.setup.sampler
        fakes = sampler.sample(*self.generators(), labels, seed=1)
        scores = self.evaluator.run(fakes, labels if sampler.shows_labels else None)
        name, score = data.find_score(self.config, scores)
        # All processes must decide alike, and the last bit of a score may differ.
        score = from_first_process(score)
        self.best.offer(step, name, score, self.state, self.extra)
        # Last: a step that has its line is scored, and what is best is kept.
        self.writer.scores(step, {"seed": self.config.seed, **scores})
        return scores

    def close(self) -> None:
        """Waits until everything is on disk."""
        self.writer.close()
        self.checkpoints.close()
        self.best.checkpointer.close()
