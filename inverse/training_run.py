"""A training run: its state, and everything that is done with it besides steps."""

import pathlib
import time

from inverse import tasks
from inverse.recovery import Recovery
from inverse.setup import Setup
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.mesh import from_first_process, is_first_process, to_host
from parallel.metric_writers import MetricWriter, save_png
from parallel.run_log import log


class TrainingRun:
    """A training run's state and everything that is done with it besides steps."""

    def __init__(self, config, workdir: pathlib.Path, setup: Setup, source):
        """Opens what is kept in `workdir`; nothing is computed yet.

        Args:
          config: a configuration of this room.
          workdir: of the run.
          setup: what is trained, and where.
          source: of examples, trained on and held out.
        """
        self.config, self.setup, self.workdir = config, setup, workdir
        self.task, self.source = tasks.task_of(config), source
        self.checkpoints = Checkpointer(
            workdir / "checkpoints", keep=config.keep_checkpoints
        )
        split, score = source.held_out[0], config.evaluation.best_metric
        self.best_metric = f"{split}/network/{score}"
        self.best = BestCheckpoint(
            workdir / "best", larger_is_better=score not in tasks.SMALLER_IS_BETTER
        )
        self.extra = {"plan": setup.plan.digest(), "batch_size": setup.batch_size}
        self.first_step = self.saved_step = self.checkpoints.latest_step() or 0
        self.recovery = Recovery(config, workdir, setup, self.checkpoints)
        self.writer = MetricWriter(
            workdir, enabled=is_first_process(), resume_step=self.first_step
        )

    def begin(self) -> None:
        """Makes or restores the state; what can go wrong goes wrong before step 1.

        Raises:
          RunError: it was trained with another number of samples a step.
        """
        if self.first_step:
            log.info("going on from step %d", self.first_step)
            extra = self.checkpoints.extra(self.first_step)
            if extra["plan"] != self.extra["plan"]:
                log.warning(
                    "gradients are grouped in another way than before step %d (other "
                    "devices, or another version): sums round differently from here on",
                    self.first_step,
                )
            saved = extra["batch_size"]
            if saved != self.setup.batch_size:
                raise RunError(
                    f"{self.workdir} was trained with {saved} samples a step, this "
                    f"would be {self.setup.batch_size}: {self._same_batch(saved)}"
                )
            layout = self.setup.state_layout
            self.state = self.checkpoints.restore(
                self.first_step, self.setup.abstract_state(layout)
            )
        else:
            self.state = self.setup.create_state()
        start = time.perf_counter()
        self.evaluator = self.task.make_evaluator(
            self.config, self.setup, self.source, self.workdir
        )
        log.info(
            "held out and simulated in %.1f s: %d examples each of %s",
            time.perf_counter() - start,
            self.config.evaluation.num_examples,
            ", ".join(self.source.held_out),
        )

    def _same_batch(self, saved: int) -> str:
        """How to take so many samples a step again."""
        if self.config.model.batch_statistics == "shared":
            return "set config.per_device_batch_size so that devices times it is that."
        # What is normalised together is what one device holds.
        devices = saved // self.config.per_device_batch_size
        return f"with batch_statistics='local' it goes on with {devices} devices alone."

    def mend(self) -> None:
        """Names what went bad, and goes back where that does not pass."""
        self.state = self.recovery.mended(self.state, self.saved_step)

    def save(self, step: int) -> None:
        """Saves the state, which is mended: so the newest is always good."""
        self.checkpoints.save(step, self.state, self.extra)
        self.saved_step = step

    def score(self, step: int) -> dict[str, float]:
        """Scores the averaged network, draws, and keeps it if it is the best."""
        averaged = to_host((self.state.ema, self.state.batch_stats))
        scores = self.evaluator.run(*averaged)
        if is_first_process():
            split, num = self.source.held_out[0], self.config.evaluation.num_panels
            picture = self.evaluator.panels(*averaged, split, num)
            save_png(self.workdir / f"panels-{step:06d}.png", picture)
        # All processes must decide alike, and the last bit of a score may differ.
        score = from_first_process(scores[self.best_metric])
        self.best.offer(step, self.best_metric, score, self.state, self.extra)
        # Last: a step that has its line is scored, and what is best is kept.
        self.writer.scores(step, {"seed": self.config.seed, **scores})
        log.info("%s %.4f", self.best_metric, score)
        return scores

    def close(self) -> None:
        """Waits until everything is on disk."""
        self.writer.close()
        self.checkpoints.close()
        self.best.checkpointer.close()
