"""Prepares batches ahead of the steps that use them."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any


def prefetch(
    batch_at: Callable[[int], Any],
    put: Callable[[Any], Any],
    steps: range,
    depth: int = 2,
) -> Iterator[tuple[int, Any]]:
    """Yields (step, put(batch_at(step))) in order, prepared by a thread.

    Args:
      batch_at: step -> batch on the host.
      put: batch on the host -> batch where it is used.
      steps: which steps, in which order.
      depth: batches that may wait at a time.

    Raises:
      Exception: whatever `batch_at` or `put` raised, at the step it belongs to.
    """
    if depth < 1:  # for a queue that means: no bound
        raise ValueError(f"depth={depth} must be 1 or more.")
    ready: queue.Queue = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def offer(item) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce():
        for step in steps:
            try:
                item = (step, put(batch_at(step)), None)
            # Not only Exception: what ends this thread must not leave ours waiting.
            except BaseException as error:
                offer((step, None, error))
                return
            if not offer(item):
                return
        offer(None)

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            step, batch, error = item
            if error is not None:
                raise error
            yield step, batch
    finally:
        stopped.set()
        # Not for ever: at the interpreter's end the thread is frozen where it stands.
        thread.join(timeout=10)
