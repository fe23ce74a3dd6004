"""Decodes many images at a time, in order."""

import collections
import concurrent.futures
import logging
import os
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image
from tqdm import tqdm

from input_pipeline.image_source import ImageSource

# A child of the logger that says a run's lines: it speaks where that one does.
log = logging.getLogger("run.input_pipeline")
_BLOCK = 128  # images that one thread decodes at a time
_AHEAD = 4  # blocks per thread that may wait for their turn


def num_threads() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blocks_of(
    source: ImageSource, function: Callable[[Image.Image], np.ndarray], task: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Applies `function` to all images of `source`.

    Args:
      source: the images.
      function: picture -> array of one shape and type.
      task: what is being done, for the log and the progress bar.

    Yields:
      (stacked results [m, ...], labels int32 [m]) of consecutive images.

    Raises:
      DataError: an image is damaged.
    """

    def block(numbers: range) -> tuple[np.ndarray, np.ndarray]:
        done = [source.use(number, function) for number in numbers]
        results, labels = zip(*done, strict=True)
        return np.stack(results), np.asarray(labels, np.int32)

    log.info("%s: %d images", task, source.num)
    threads = num_threads()
    ranges = (
        range(first, min(first + _BLOCK, source.num))
        for first in range(0, source.num, _BLOCK)
    )
    pool = concurrent.futures.ThreadPoolExecutor(threads, "decode")
    waiting: collections.deque = collections.deque()
    # On a terminal only (disable=None); elsewhere the line above has to do.
    with tqdm(total=source.num, desc=task, unit="image", disable=None) as bar:
        try:
            for numbers in ranges:
                waiting.append(pool.submit(block, numbers))
                if len(waiting) >= _AHEAD * threads:
                    yield _finished(waiting.popleft(), bar)
            while waiting:
                yield _finished(waiting.popleft(), bar)
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(future: concurrent.futures.Future, bar: tqdm) -> tuple:
    result = future.result()
    bar.update(len(result[1]))
    return result
