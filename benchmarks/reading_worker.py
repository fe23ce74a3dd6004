"""One process of a 100-label run that gets its first batch, in either of two ways.

own labels: the product's way: the set is decoded once for all processes and kept, each
maps what was kept into its memory and copies its own labels' batch out of it.
everything: what a process does that knows of no others: it reads and decodes the whole
set, and keeps its own labels' images.

Started by benchmarks.start_up_reading. Answers "ready" when everything is imported,
waits for a line, and answers with what its first batch took.
"""

import argparse
import contextlib
import hashlib
import json
import pathlib
import resource
import sys
import time

import numpy as np

from configs import cifar100
from gan import data
from input_pipeline import catalogue, decode
from input_pipeline.arrays import LabelledImages
from input_pipeline.images import LabelBatches
from input_pipeline.label_partition import LabelPartition
from input_pipeline.picture import pixels
from parallel.mesh_shape import label_data_shape

_PROCESS = pathlib.Path("/proc/self")


def block_of(
    index: int, count: int, num_entries: int, batch_size: int
) -> tuple[slice, slice]:
    """Entries and examples of one of `count` processes with a device each."""
    label, on_data = label_data_shape(count, num_entries, batch_size, count)
    row, column = divmod(index, on_data)
    entries, examples = num_entries // label, batch_size // on_data
    return (
        slice(row * entries, (row + 1) * entries),
        slice(column * examples, (column + 1) * examples),
    )


def own_labels(config, entries: slice, examples: slice) -> LabelBatches:
    """The product's batches of one block."""
    training_set = data.load_training_set(config)
    partition = data.partition(config, training_set)
    return training_set.make_batches(partition, entries, examples)


def everything(config, entries: slice, examples: slice) -> LabelBatches:
    """The same batches, by a process that reads and decodes the whole set."""
    dataset = config.dataset
    source = catalogue.locate(dataset.name, "train", dataset.data_dir).open()
    counts = np.zeros(len(source.label_names), int)
    images, labels = [], []
    for block, found in decode.blocks_of(source, pixels, "reading everything"):
        mine = (entries.start <= found) & (found < entries.stop)
        images.append(block[mine])
        labels.append(found[mine])
        counts += np.bincount(found, minlength=len(counts))
    labels, names = np.concatenate(labels), source.label_names
    partition = LabelPartition(
        tuple(np.flatnonzero(labels == label) for label in range(len(names))),
        *(counts, names),
    )
    kept = LabelledImages(
        np.concatenate(images), labels, names, dataset.name, "train", digest=""
    )
    return LabelBatches(
        kept,
        partition,
        entries=entries,
        examples=examples,
        batch_size=config.per_entry_batch_size,
        seed=config.seed,
        flip=dataset.flip,
    )


FIRST_BATCHES = {"own labels": own_labels, "everything": everything}


def _core_seconds() -> float:
    """Of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _bytes_read() -> int:
    """By system calls of this process, from the disk or from the page cache."""
    (line,) = [
        line
        for line in (_PROCESS / "io").read_text().splitlines()
        if line.startswith("rchar")
    ]
    return int(line.split()[1])


def _memory(field: str) -> int:
    """Bytes of memory: VmRSS now, VmHWM at most."""
    for line in (_PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(field)


def first_batch(config, way: str, index: int, count: int) -> dict:
    """Gets the first batch; what that took, and a digest of the batch."""
    size = config.per_entry_batch_size
    block = block_of(index, count, config.dataset.num_labels, size)
    with contextlib.suppress(OSError):  # else what importing took counts as well
        (_PROCESS / "clear_refs").write_text("5")
    memory, read = _memory("VmRSS"), _bytes_read()
    start, cores = time.perf_counter(), _core_seconds()
    batches = FIRST_BATCHES[way](config, *block)
    batch = batches.batch_at(0)
    seconds, cores = time.perf_counter() - start, _core_seconds() - cores
    batches.close()
    return {
        "seconds": seconds,
        "core": cores,
        "read": _bytes_read() - read,
        "memory": _memory("VmHWM") - memory,
        "batch": hashlib.sha256(batch["image"].tobytes()).hexdigest(),
    }


def make_config(data_dir: str, cache_dir: str):
    """CIFAR-100's, 32 x 32 pixels, a pair per label."""
    config = cifar100.get_config("tuned")
    config.dataset.data_dir, config.dataset.cache_dir = data_dir, cache_dir
    return config


def main() -> None:
    """Waits for a line, gets the batch, answers with a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=FIRST_BATCHES, required=True)
    for name in ("index", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("data_dir", "cache_dir"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    config = make_config(given.data_dir, given.cache_dir)
    # What reads the set's format is imported now, as everything else is.
    catalogue.locate(config.dataset.name, "train", given.data_dir).open()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(first_batch(config, given.way, given.index, given.count)))


if __name__ == "__main__":
    main()
