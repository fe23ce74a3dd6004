"""Training from the first step, or from wherever an earlier run was stopped."""

import contextlib
import time

import jax
import numpy as np

from input_pipeline.prefetch import prefetch
from inverse import tasks
from inverse.check_config import check_config
from inverse.may_change import may_change
from inverse.setup import compile_step, make_setup
from inverse.status import Status
from inverse.training_run import TrainingRun
from parallel.consensus import require_agreement, require_same_run
from parallel.device_clock import DeviceClock
from parallel.fault_injection import FaultInjector, check_faults
from parallel.mesh import (
    is_first_process,
    num_processes,
    to_host,
)
from parallel.missed_scores import make_up_for_scores
from parallel.preemption import Stopped, StopRequests
from parallel.run_log import log
from parallel.step_times import StepTimes
from parallel.survival import ORDINARY, Survival
from parallel.time_log import Phase
from parallel.training_workdir import training_workdir


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
    run = TrainingRun(config, path, setup, source)
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


def _take_steps(
    run: TrainingRun, inputs, watch, clock, stop, faults
) -> dict[str, float]:
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


def _save(run: TrainingRun, step: int, watch, faults) -> None:
    watch.now(Phase.CHECKPOINT, step)
    run.save(step)
    faults.saved(step, run.checkpoints.directory)
