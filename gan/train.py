"""Training from the first step, or from wherever an earlier run was stopped."""

import contextlib
import pathlib

import jax
import numpy as np

from gan import data
from gan.check_config import check_config, check_facts, check_first_step
from gan.check_devices import check_devices, stated_facts
from gan.may_change import MAY_DIFFER, how_to_prolong, may_change
from gan.setup import Setup, make_setup, make_step
from gan.status import Status
from gan.training_run import TrainingRun
from input_pipeline.prefetch import prefetch
from parallel.consensus import require_agreement, require_same_run
from parallel.fault_injection import FaultInjector, check_faults
from parallel.mesh import (
    is_first_process,
    num_processes,
    process_block,
    to_host,
    to_mesh,
)
from parallel.missed_scores import make_up_for_scores
from parallel.preemption import Stopped, StopRequests
from parallel.run_log import log
from parallel.step_times import StepTimes
from parallel.survival import ORDINARY, Survival
from parallel.time_log import Phase
from parallel.training_workdir import training_workdir

_LOOK_EVERY_STEPS = 200  # for labels that broke; it waits for the devices


def _batches(config, setup: Setup, training_set, partition, steps: range):
    """Yields (first step, batches of one dispatch on the mesh)."""
    size = config.per_entry_batch_size
    block = process_block(setup.mesh, setup.num_entries, size)
    source = training_set.make_batches(partition, *block)

    def batches_at(first: int) -> dict[str, np.ndarray]:
        several = [source.batch_at(first + k) for k in range(steps.step)]
        if len(several) == 1:  # without a copy
            return {name: array[None] for name, array in several[0].items()}
        return {name: np.stack([b[name] for b in several]) for name in several[0]}

    with contextlib.closing(source):
        yield from prefetch(batches_at, lambda b: to_mesh(b, setup.batch_layout), steps)


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
    require_same_run(config.to_dict(), MAY_DIFFER)
    check_devices(config, stated_facts(config))
    # From here on: preparing the data may take longer than what is left of a job, or
    # hang where a file system does.
    with (
        StopRequests(survival.time_left()) as stop,
        training_workdir(
            workdir, config.to_dict(), may_change(config), survival
        ) as held,
    ):
        return _train(config, *held, stop, survival.faults)


def _train(config, path, watch, stop, faults):
    training_set = data.load_training_set(config)
    require_agreement(
        {
            "the data set": training_set.digest,
            "the images of it that are shown": training_set.reals.digest,
        }
    )
    facts = data.facts_of(training_set.reals)
    check_facts(config, facts)
    if remark := check_devices(config, facts):
        log.warning("%s.", remark)
    partition = data.partition(config, training_set)
    log.info("%s", partition.balance_report())
    setup = make_setup(config, facts)
    extra = data.described(training_set, partition)
    run = TrainingRun(config, path, setup, training_set.reals, extra)
    check_first_step(config, run.first_step)
    check_faults(
        faults,
        num_steps=config.num_steps,
        save_every=config.checkpoint_every_steps,
        num_labels=setup.num_entries,
    )
    if run.first_step >= config.num_steps:
        watch.time_log.complete()
        log.info(
            "complete: step %d, config.num_steps=%d; %s. Pictures and scores are in %s",
            *(run.first_step, config.num_steps, how_to_prolong(config), path),
        )
        run.close()
        return {}
    run.begin()
    stride = config.parallel.steps_per_dispatch
    steps = range(run.first_step, config.num_steps, stride)
    batches = _batches(config, setup, training_set, partition, steps)
    # Closed whatever happens: a thread that still prepares batches would keep the
    # process from ending.
    with contextlib.closing(batches), contextlib.closing(run):
        every = config.evaluation.every_steps
        make_up_for_scores(run.first_step, every, run.writer, watch, run.score)
        injector = FaultInjector(faults, path)
        grid, scores = _take_steps(run, batches, stride, watch, stop, injector)
    jax.block_until_ready(run.state)
    if is_first_process():
        _print_results(grid, scores, run.recovery.lost)
    return scores


def _take_steps(run, batches, stride: int, watch, stop, faults):
    """Trains to the end, with all that is done on the way.

    Args:
      run: what is trained.
      batches: (first step, batches of one dispatch).
      stride: steps of one dispatch.
      watch: is told what is being done.
      stop: says when to end before the last step.
      faults: that are to happen.

    Returns:
      Path of the last picture, and the last scores.

    Raises:
      Stopped: after the state was saved.
    """
    config, setup = run.config, run.setup
    train_step = make_step(config, setup)
    images_per_step = setup.num_entries * config.per_entry_batch_size
    status = Status(run.first_step, config.num_steps, images_per_step)
    step_times, grid, scores = StepTimes(watch.time_log), None, {}
    inputs = faults.inputs(batches, stride)
    for first, batch in watch.inputs(inputs, run.first_step, stride):
        run.state = faults.before(first, run.state, stride)
        run.state, metrics = train_step(run.state, batch, setup.training_key)
        run.bad_numbers.see(first, stride, metrics["bad_tensor"])
        step = first + stride
        status.advance(stride)
        is_last = step >= config.num_steps
        if step % config.log_every_steps == 0 or is_last:
            compared = step_times.compare(run.state)
            metrics = to_host(metrics)
            run.writer.scalars(step, {**status.tick(step, metrics), **compared})
            run.mend()
        elif step // _LOOK_EVERY_STEPS > first // _LOOK_EVERY_STEPS:
            run.mend()  # long before anything is logged, where that is rare
        with step_times.waiting():
            request = None if is_last else stop.request(num_processes())
        draws, scores_now, saves = (
            step % every == 0 or is_last
            for every in (
                config.sample_every_steps,
                config.evaluation.every_steps,
                config.checkpoint_every_steps,
            )
        )
        with status.paused():
            if draws or scores_now or saves or request:
                # What people see, and what is kept, is healthy in every entry.
                run.mend(is_kept=True)
            if request:  # first: whoever stops a run does not wait for its scores
                _save(run, step, watch, faults)
            if draws or scores_now:
                watch.now(Phase.EVALUATION, step)
            if draws:
                grid = run.draw_grid(step)
            if scores_now:
                scores = run.score(step)
            if saves and not request:
                _save(run, step, watch, faults)
        if request:
            raise Stopped(step, request)
    status.close()
    return grid, scores


def _save(run: TrainingRun, step: int, watch, faults) -> None:
    watch.now(Phase.CHECKPOINT, step)
    run.save(step)
    faults.saved(step, run.checkpoints.directory)


def _print_results(
    grid: pathlib.Path, scores: dict[str, float], lost: list[int]
) -> None:
    print(f"fakes (rows = labels): {grid}\nreals: {grid.with_name('reals.png')}")
    for name, value in scores.items():
        print(f"  {name:60s} {value:10.4f}")
    if lost:
        print(f"labels that broke for good, and are as they were before: {lost}")
