"""Writing a set of examples once, for many runs to read."""

import pathlib
import time

import jax
import numpy as np

from input_pipeline.stored import is_written, write_shard
from inverse.check_config import check_config
from inverse.density import data
from inverse.density.set_description import describe_set, require_same_examples
from inverse.errors import ConfigError
from inverse.setup import make_setup
from inverse.split_examples import TRAIN, example_key, make_examples_at
from parallel.mesh import is_first_process, num_processes, process_number
from parallel.run_log import log
from parallel.workdir import make_workdir
from parallel.workdir_lock import WorkdirLock


def write_set(config, workdir: str) -> None:
    """Writes every split's examples in shards, those that are not there yet.

    Every process of the job writes shards of its own, with its own devices. One job
    writes a set at a time, and goes on where an earlier one was ended.

    Args:
      config: of the runs that will read it; `dataset.num_examples` are trained on and
        `evaluation.num_examples` of each other split are held out.
      workdir: where the set is to lie.
    """
    check_config(config)
    if config.dataset.stored:
        raise ConfigError(
            f"config.dataset.stored={config.dataset.stored!r}: must be '' to write a "
            "set; where it goes is --workdir."
        )
    if not config.dataset.num_examples:
        raise ConfigError(
            "config.dataset.num_examples=0: an endless set cannot be written; say how "
            "many."
        )
    folder = make_workdir(workdir)
    with WorkdirLock(folder):
        if (folder / "set.json").exists():
            require_same_examples(config, workdir)
        source = data.open_source(config)
        if is_first_process():
            describe_set(config, folder, source.materials)
        for split in source.examples:
            _write_split(config, source, split, folder)


def _write_split(config, source, split: str, folder: pathlib.Path) -> None:
    held = config.evaluation.num_examples
    num = config.dataset.num_examples if split == TRAIN else held
    size = config.dataset.shard_examples
    setup = make_setup(config, jax.local_devices())
    at_a_time = setup.batch_size
    make = make_examples_at(setup, source, split)
    start, made, totals = time.perf_counter(), 0, _Totals()
    for shard, first in enumerate(range(0, num, size)):
        if shard % num_processes() != process_number():
            continue
        if is_written(folder, split, shard, first, min(size, num - first)):
            continue
        numbers = np.arange(first, min(first + size, num), dtype=np.uint32)
        halves = np.stack([np.zeros_like(numbers), numbers], axis=-1)
        examples = totals.counted(_one_by_one(make, halves, at_a_time))
        write_shard(folder, split, shard, first, examples, _keys(setup, split, halves))
        made += len(numbers)
        log.info(
            "%s: %d of %d written, %.3f s each",
            *(split, first + len(numbers), num),
            (time.perf_counter() - start) / made,
        )
    if made:
        log.info("%s: of these, %s", split, totals)


class _Totals:
    """Sums over examples that pass by: what a normalisation is made of."""

    def __init__(self):
        self._patterns, self._density, self._squares = [], [], []

    def counted(self, examples):
        """Passes examples on."""
        for example in examples:
            self._patterns.append(example["patterns"].mean(dtype=np.float64))
            self._density.append(example["density"].mean(dtype=np.float64))
            self._squares.append((example["density"] ** 2).mean(dtype=np.float64))
            yield example

    def __str__(self) -> str:
        """Fields of `config.dataset`."""
        mean = np.mean(self._density)
        scale = np.sqrt(np.mean(self._squares) - mean**2)
        return (
            f"density_mean_va={mean:.4g} density_scale_va={scale:.4g} "
            f"pattern_mean={np.mean(self._patterns):.3f}"
        )


def _one_by_one(make, halves: np.ndarray, at_a_time: int):
    """Yields examples; they are made `at_a_time`, the last ones several times."""
    for start in range(0, len(halves), at_a_time):
        part = halves[start : start + at_a_time]
        padded = np.resize(part, (at_a_time, 2))
        batch = jax.device_get(make(padded))
        for i in range(len(part)):
            yield {name: values[i] for name, values in batch.items()}


def _keys(setup, split: str, halves: np.ndarray) -> list[str]:
    """Key data of every example: with it, it can be made again."""
    keys = jax.vmap(lambda n: example_key(setup.key, split, n))(halves)
    return [np.asarray(k).tobytes().hex() for k in jax.random.key_data(keys)]
