"""When devices were done with what they were given, without waiting for them."""

import concurrent.futures
import contextlib
import time
from types import TracebackType
from typing import Any

import jax


class DeviceClock:
    """Tells apart whether a host waits for its input or for its devices.

    A step is only dispatched: its host goes on to ask for the next batch, and where
    devices make that themselves, or are shared with what makes it, the answer comes
    after the step. A thread notes when that was done.
    """

    def __init__(self):
        """Starts with nothing given."""
        self._thread = concurrent.futures.ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="device-clock"
        )
        self._done: concurrent.futures.Future[float] | None = None

    def given(self, result: Any) -> None:
        """Says what devices make last; arrays that nothing else will donate."""
        self._done = self._thread.submit(_done_at, result)

    def idle_since(self, start: float) -> float:
        """Seconds after `start`, of time.monotonic, in which devices did nothing."""
        if self._done is None:
            return time.monotonic() - start
        if not self._done.done():
            return 0.0
        return time.monotonic() - max(start, self._done.result())

    def __enter__(self) -> "DeviceClock":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the thread go; it ends when the devices are done."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _done_at(result: Any) -> float:
    # What went wrong is the training's to say; the devices are done with it.
    with contextlib.suppress(Exception):
        jax.block_until_ready(result)
    return time.monotonic()
