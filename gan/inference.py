"""What is done with a trained run: scoring it and drawing from it."""

import hashlib
import pathlib
import re
from typing import NamedTuple

import jax
import numpy as np

from gan import data
from gan.check_config import Facts, check_config, check_facts
from gan.errors import ConfigError
from gan.may_change import MAY_CHANGE
from gan.sampling import mixture_labels
from gan.setup import Setup, make_setup
from parallel.mesh import is_first_process, on_host
from parallel.metric_writers import MetricWriter, save_png, tile
from parallel.saved_run import open_saved

_GRID_COLUMNS = 8
_LONGEST = 40  # characters of labels in a file's name


class Trained(NamedTuple):
    """A checkpoint, opened.

    Attributes:
      setup: of the configuration, on one device.
      step: of the checkpoint.
      extra: what was saved beside the state.
      params: averaged generators' parameters, numpy's.
      batch_stats: generators' running statistics, likewise.
    """

    setup: Setup
    step: int
    extra: dict
    params: dict
    batch_stats: dict


def _open(config, workdir: str, which: str) -> Trained:
    """Opens the "best" or "latest" checkpoint; the best of none is the latest."""
    check_config(config)
    checkpointer, step = open_saved(workdir, which, config.to_dict(), MAY_CHANGE)
    extra = checkpointer.extra(step)
    facts = Facts(extra["num_labels"], extra["channels"])
    check_facts(config, facts)
    # One device: the same images whatever the machine has.
    setup = make_setup(config, facts, devices=jax.local_devices()[:1])
    # To the host: all pairs may be more than a device holds, and draws take one.
    state = checkpointer.restore(step, setup.abstract_state(on_host()))
    checkpointer.close()
    generators = jax.device_get((state.ema, state.generator.batch_stats))
    return Trained(setup, step, extra, *generators)


def evaluate(config, workdir: str, which: str) -> dict[str, float]:
    """Scores a checkpoint and appends the scores to eval.jsonl.

    Args:
      config: the configuration that it was trained with.
      workdir: of the run.
      which: "best" or "latest".

    Raises:
      RunError: the data has other labels than the run.
    """
    trained = _open(config, workdir, which)
    train = data.load(config, "train")
    data.require_same_labels(trained.extra, train.label_names)
    evaluator = data.make_evaluator(config, train)
    labels = data.labels_to_score(config, train)
    sampler = trained.setup.sampler
    fakes = sampler.sample(trained.params, trained.batch_stats, labels, seed=1)
    scores = evaluator.run(fakes, labels if sampler.shows_labels else None)
    path = pathlib.Path(workdir).expanduser()
    writer = MetricWriter(path, enabled=is_first_process(), resume_step=None)
    writer.scores(trained.step, {"seed": config.seed, "checkpoint": which, **scores})
    writer.close()
    print(f"step {trained.step} ({which}) of {path}")
    for name, value in scores.items():
        print(f"  {name:60s} {value:10.4f}")
    return scores


def _parse_labels(text: str, trained: Trained, num: int, seed: int) -> np.ndarray:
    """Labels [n]: `num` from the data's proportions, or `num` of each that is named."""
    names, num_labels = trained.extra["label_names"], trained.extra["num_labels"]
    if text == "mixture":
        return np.sort(mixture_labels(np.asarray(trained.extra["prior"]), num, seed))
    if not trained.setup.sampler.shows_labels:
        raise ConfigError(
            f"--labels={text!r}: this generator knows no labels "
            '(config.model.conditioning="none"); give mixture.'
        )
    if text == "all":
        return np.repeat(np.arange(num_labels), num)
    labels = []
    for word in text.split(","):
        label = names.index(word) if word in names else word
        try:
            label = int(label)
        except ValueError:
            label = -1
        if not 0 <= label < num_labels:
            raise ConfigError(
                f"--labels={text!r}: {word!r} is no label; give numbers from 0 to "
                f"{num_labels - 1}, names as {names[0]!r}, all, or mixture."
            )
        labels.append(label)
    return np.repeat(labels, num)


def sample(
    config, workdir: str, which: str, labels: str, num: int, seed: int
) -> tuple[pathlib.Path, pathlib.Path]:
    """Draws images from a checkpoint alone: no data set is needed.

    Args:
      config: the configuration that it was trained with.
      workdir: of the run.
      which: "best" or "latest".
      labels: "3,5" or "all" (`num` images of each) or "mixture" (`num` in all,
        labels drawn from the data's proportions).
      num: how many images.
      seed: another one, other images.

    Returns:
      Paths of the picture (rows of 8) and of the .npz with "images" uint8
      [n, y, x, c] and, where images show labels, "labels" [n].
    """
    trained = _open(config, workdir, which)
    wanted = _parse_labels(labels, trained, num, seed)
    images = trained.setup.sampler.sample(
        trained.params, trained.batch_stats, wanted, seed
    )
    # Names come with the data; none of them leads out of the workdir.
    shown = re.sub(r"[^\w]+", "-", labels)
    if len(shown) > _LONGEST:
        digest = hashlib.sha256(labels.encode()).hexdigest()[:8]
        shown = f"{len(np.unique(wanted))}-labels-{digest}"
    name = f"samples-{trained.step:06d}-{shown}-{num}-seed{seed}"
    path = pathlib.Path(workdir).expanduser() / "samples"
    if not is_first_process():
        return path / f"{name}.png", path / f"{name}.npz"
    path.mkdir(exist_ok=True)
    columns = min(_GRID_COLUMNS, len(images))
    missing = -len(images) % columns
    padded = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
    save_png(path / f"{name}.png", tile(padded.reshape(-1, columns, *images.shape[1:])))
    arrays = {"images": images}
    if trained.setup.sampler.shows_labels:
        arrays["labels"] = wanted
    np.savez_compressed(path / f"{name}.npz", **arrays)
    print(f"step {trained.step} of {workdir}, {len(images)} images")
    print(f"picture: {path / name}.png\narrays: {path / name}.npz")
    return path / f"{name}.png", path / f"{name}.npz"
