"""When devices were done with what they were given, without waiting for them."""

import contextlib
import queue
import threading
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
        self._results: queue.SimpleQueue = queue.SimpleQueue()
        self._given, self._done = 0, (0, time.monotonic())
        # A daemon: devices that hang must not keep a process from ending.
        thread = threading.Thread(target=self._follow, name="device-clock", daemon=True)
        thread.start()

    def given(self, result: Any) -> None:
        """Says what devices make last; arrays that nothing else will donate."""
        self._given += 1
        self._results.put((self._given, result))

    def idle_since(self, start: float) -> float:
        """Seconds after `start`, of time.monotonic, in which devices did nothing."""
        number, at = self._done
        return 0.0 if number < self._given else time.monotonic() - max(start, at)

    def _follow(self) -> None:
        while (item := self._results.get()) is not None:
            number, result = item
            # What went wrong is the training's to say; the devices are done with it.
            with contextlib.suppress(Exception):
                jax.block_until_ready(result)
            self._done = number, time.monotonic()

    def __enter__(self) -> "DeviceClock":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the thread go, which ends when the devices are done."""
        self._results.put(None)
