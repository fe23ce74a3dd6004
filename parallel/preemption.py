"""Ends a run on a signal or a time limit, at a step that all processes agree on."""

import os
import signal
import sys
import time

from parallel.agreement import of_all
from parallel.exit_codes import INTERRUPTED, REQUEUE

_TIME_LIMIT = 1  # no signal that is listened to has this number
_SIGNALS = (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)
# How often processes tell each other, in seconds and at most in dispatches.
_EVERY_SECONDS, _EVERY_DISPATCHES = 1.0, 1000


class Stopped(Exception):  # noqa: N818  no error: the run did what it was asked to
    """A run was ended early, and what it did is saved."""

    def __init__(self, step: int | None, request: int):
        """Ended at `step` for the `request` that `StopRequests.request` returned.

        None: while data were made that come before any step.
        """
        cause = "its time limit"
        if request != _TIME_LIMIT:
            cause = signal.Signals(request).name
        where = (
            "with the data that are missing" if step is None else f"from step {step}"
        )
        super().__init__(f"the same command goes on {where}, saved on {cause}.")
        self.exit_code = INTERRUPTED if request == signal.SIGINT else REQUEUE


class StopRequests:
    """Listens for SIGTERM, SIGUSR1, Ctrl-C and the end of the time limit.

    A context of the main thread. The second Ctrl-C interrupts at once.
    """

    def __init__(self, time_limit: float | None = None):
        """Starts the clock.

        Args:
          time_limit: seconds from now; None for no limit.
        """
        now = time.monotonic()
        self._deadline = None if time_limit is None else now + time_limit
        self._request, self._earlier = 0, {}
        self._then, self._dispatches, self._next = now, 0, 1

    def __enter__(self) -> "StopRequests":
        """Starts to listen."""
        # After jax.distributed.initialize, whose own listener would swallow SIGTERM.
        self._earlier = {s: signal.signal(s, self._listen) for s in _SIGNALS}
        _listening.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the signals to whom they belonged."""
        _listening.remove(self)
        for number, handler in self._earlier.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _listen(self, number: int, _frame: object) -> None:
        if number == signal.SIGINT:
            if self._request == signal.SIGINT:
                raise KeyboardInterrupt
            # Not print: it may be what was interrupted.
            said = "\nsaving what is done; Ctrl-C again stops at once.\n"
            os.write(sys.__stderr__.fileno(), said.encode())
        self._request = number

    def _mine(self) -> int:
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        return self._request or (_TIME_LIMIT if is_late else 0)

    def request(self, num_processes: int) -> int:
        """What to stop for after this dispatch, 0 for nothing; the same on all.

        All processes call it after each dispatch. They exchange two numbers about
        once a second, after a count of dispatches that follows from what the slowest
        said last time, so that all do it at the same step.
        """
        if num_processes == 1:
            return self._mine()
        self._dispatches += 1
        if self._dispatches < self._next:
            return 0
        now = time.monotonic()
        mine = int(1e6 * min((now - self._then) / self._dispatches, 1000.0))
        said = of_all([self._mine(), max(mine, 1)])
        slowest = int(said[:, 1].max()) / 1e6
        self._next = min(max(int(_EVERY_SECONDS / slowest), 1), _EVERY_DISPATCHES)
        self._then, self._dispatches = time.monotonic(), 0
        return int(said[:, 0].max())


_listening: list[StopRequests] = []


def stop_between_parts(num_processes: int) -> None:
    """Ends long work before the first step, between parts that are kept.

    All processes call it as often as each other. Who does such work is not asked to
    hand the listener down: signals belong to the whole process, as it does.

    Raises:
      Stopped: somebody listens, and was asked to stop.
    """
    if _listening and (request := _listening[-1].request(num_processes)):
        raise Stopped(None, request)
