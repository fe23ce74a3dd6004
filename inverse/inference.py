"""What is done with a trained run: scoring it."""

import pathlib
from typing import NamedTuple

import jax

from inverse import tasks
from inverse.check_config import check_config
from inverse.may_change import MAY_CHANGE
from inverse.setup import Setup, make_setup
from inverse.train_state import TrainState
from parallel.mesh import is_first_process
from parallel.metric_writers import MetricWriter, save_png
from parallel.saved_run import open_saved


class Trained(NamedTuple):
    """A checkpoint, opened.

    Attributes:
      setup: of the configuration, on one device.
      step: of the checkpoint.
      state: on that device.
    """

    setup: Setup
    step: int
    state: TrainState


def open_checkpoint(config, workdir: str, which: str) -> Trained:
    """Opens the "best" or "latest" checkpoint; the best of none is the latest."""
    check_config(config)
    # The state is what it is, however many steps were to follow on how many devices.
    may_change = (*MAY_CHANGE, "num_steps", "per_device_batch_size")
    checkpointer, step = open_saved(workdir, which, config.to_dict(), may_change)
    # One device: the same maps whatever the machine has.
    setup = make_setup(config, devices=jax.local_devices()[:1])
    state = checkpointer.restore(step, setup.abstract_state(setup.state_layout))
    checkpointer.close()
    return Trained(setup, step, state)


def evaluate(config, workdir: str, which: str) -> dict[str, float]:
    """Scores a checkpoint on what is held out; appends the scores to eval.jsonl.

    Args:
      config: the configuration that it was trained with.
      workdir: of the run.
      which: "best" or "latest".
    """
    trained = open_checkpoint(config, workdir, which)
    task, path = tasks.task_of(config), pathlib.Path(workdir).expanduser()
    source = task.open_source(config)
    evaluator = task.make_evaluator(config, trained.setup, source, path)
    averaged = (trained.state.ema, trained.state.batch_stats)
    scores = evaluator.run(*averaged)
    writer = MetricWriter(path, enabled=is_first_process(), resume_step=None)
    writer.scores(trained.step, {"seed": config.seed, "checkpoint": which, **scores})
    writer.close()
    if is_first_process():
        num = config.evaluation.num_panels
        for split in source.held_out:
            picture = evaluator.panels(*averaged, split, num)
            save_png(path / f"panels-{trained.step:06d}-{which}-{split}.png", picture)
        print(f"step {trained.step} ({which}) of {path}\n{evaluator.table(scores)}")
    return scores
