"""Training from the first step, or from wherever an earlier run was stopped."""

import contextlib
import pathlib
import time

import jax
import numpy as np

from input_pipeline.prefetch import prefetch
from inverse import tasks
from inverse.check_config import check_config
from inverse.recovery import Recovery
from inverse.setup import Setup, compile_step, make_setup
from inverse.status import Status
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.consensus import require_agreement, require_same_run
from parallel.device_clock import DeviceClock
from parallel.errors import RunError
from parallel.fault_injection import FaultInjector, check_faults
from parallel.mesh import (
    from_first_process,
    is_first_process,
    num_processes,
    to_host,
)
from parallel.metric_writers import MetricWriter, save_png
from parallel.missed_scores import make_up_for_scores
from parallel.preemption import Stopped, StopRequests
from parallel.run_log import log
from parallel.step_times import StepTimes
from parallel.survival import ORDINARY, Survival
from parallel.time_log import Phase
from parallel.training_workdir import training_workdir

# What may differ between two runs in one workdir: it changes no step.
MAY_CHANGE = (
    "log_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "evaluation.",
    "prediction.",
    "machine.",
    # Wherever they lie, simulated crystals and stored examples are the same.
    "dataset.library",
    "dataset.stored",
    "dataset.shard_examples",
    # What is recorded as changed, if it happens: some examples stand for others then.
    "dataset.corrupt_shards",
)


def may_change(config) -> tuple[str, ...]:
    """What may differ between two runs of `config` in one workdir."""
    fields = MAY_CHANGE
    if config.model.batch_statistics == "shared":
        # Other devices may share a step's samples; their number is checked by itself.
        fields += ("per_device_batch_size",)
    if config.optimizer.schedule == "published" and config.optimizer.loss != "huber":
        fields += ("num_steps",)  # otherwise it shapes every step
    return fields


class _Run:
    """A training run's state and everything that is done with it besides steps."""

    def __init__(self, config, workdir: pathlib.Path, setup: Setup, source):
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
        """Makes or restores the state; what can go wrong goes wrong before step 1."""
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
        self.writer.close()
        self.checkpoints.close()
        self.best.checkpointer.close()


def train_and_evaluate(
    config, workdir: str, survival: Survival = ORDINARY
) -> dict[str, float]:
    """Trains `config` in `workdir`, going on where an earlier run was stopped.

    Args:
      config: a configuration of this room, see configs/.
      workdir: directory of checkpoints, metrics and pictures.
      survival: how long it may take, and whether it starts over.

    Returns:
      The scores after the last step.

    Raises:
      Stopped: a signal or the time limit ended it; its state is saved.
    """
    check_config(config)
    require_same_run(config.to_dict(), may_differ=())
    # From here on: preparing the data may take longer than what is left of a job.
    with (
        StopRequests(survival.time_left()) as stop,
        training_workdir(
            workdir, config.to_dict(), may_change(config), survival
        ) as held,
    ):
        return _train(config, *held, stop, survival.faults)


def _train(config, path, watch, stop, faults) -> dict[str, float]:
    setup = make_setup(config)
    source = tasks.task_of(config).open_source(config)
    require_agreement({"the data set": source.digest})
    run = _Run(config, path, setup, source)
    check_faults(
        faults,
        num_steps=config.num_steps,
        save_every=config.checkpoint_every_steps,
        num_labels=0,
    )
    with contextlib.closing(run):
        if run.first_step >= config.num_steps:
            watch.time_log.complete()
            log.info(
                "complete: step %d of config.num_steps=%d. Pictures and scores are in "
                "%s",
                *(run.first_step, config.num_steps, path),
            )
            return {}
        run.begin()
        every = config.evaluation.every_steps
        make_up_for_scores(run.first_step, every, run.writer, watch, run.score)
        batches = prefetch(
            run.task.make_batches(config, setup, run.source, path).batch_at,
            # Here, so that the time of simulation is not taken for that of the step.
            jax.block_until_ready,
            range(run.first_step, config.num_steps),
        )
        # Closed whatever happens: a thread that still simulates would keep the process
        # from ending.
        with contextlib.closing(batches), DeviceClock() as clock:
            injector = FaultInjector(faults, path)
            inputs = watch.inputs(injector.inputs(batches), run.first_step, clock=clock)
            scores = _take_steps(run, inputs, watch, clock, stop, injector)
    if is_first_process():
        print(
            f"pictures: {max(path.glob('panels-*.png'))}\n{run.evaluator.table(scores)}"
        )
    return scores


def _take_steps(run: _Run, inputs, watch, clock, stop, faults) -> dict[str, float]:
    """Trains to the end, with all that is done on the way; returns the last scores.

    Args:
      run: what is trained.
      inputs: (steps taken before it, batch).
      watch: is told what is being done.
      clock: is told what the devices were given.
      stop: says when to end before the last step.
      faults: that are to happen.

    Raises:
      Stopped: after the state was saved.
    """
    config, setup, train_step = run.config, run.setup, None
    status = Status(run.first_step, config.num_steps, setup.batch_size)
    step_times, scores = StepTimes(watch.time_log), {}
    start = time.monotonic()
    for before, batch in inputs:
        status.waited(clock.idle_since(start))
        step = before + 1
        if train_step is None:
            with status.paused():
                train_step = compile_step(config, setup, run.state, batch)
        run.state = faults.before(before, run.state)
        run.state, metrics = train_step(run.state, batch)
        clock.given(metrics["bad_tensor"])
        run.recovery.see(before, metrics["bad_tensor"])
        status.advance()
        is_last = step == config.num_steps
        if step % config.log_every_steps == 0 or is_last:
            compared = step_times.compare(run.state)
            metrics = to_host(metrics)
            rate = float(setup.learning_rate(np.int32(step - 1)))
            seen = status.tick(step, metrics, rate)
            run.writer.scalars(step, {**seen, **compared})
            run.mend()
        with step_times.waiting():
            request = None if is_last else stop.request(num_processes())
        with status.paused():
            scores_now, saves = (
                step % every == 0 or is_last
                for every in (
                    config.evaluation.every_steps,
                    config.checkpoint_every_steps,
                )
            )
            if scores_now or saves or request:
                run.mend()
            if request:  # first: whoever stops a run does not wait for its scores
                _save(run, step, watch, faults)
            if scores_now:
                watch.now(Phase.EVALUATION, step)
                scores = run.score(step)
            if saves and not request:
                _save(run, step, watch, faults)
        if request:
            raise Stopped(step, request)
        start = time.monotonic()
    status.close()
    return scores


def _save(run: _Run, step: int, watch, faults) -> None:
    watch.now(Phase.CHECKPOINT, step)
    run.save(step)
    faults.saved(step, run.checkpoints.directory)
