"""Notices that a run is stuck, says where, and ends the process."""

import contextlib
import faulthandler
import os
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from parallel.device_clock import DeviceClock
from parallel.exit_codes import LOST
from parallel.mesh import is_first_process
from parallel.time_log import Phase, TimeLog

# Beginning, the first step (it is compiled), scores and checkpoints take longer.
_PATIENCE = 10
_WORDS = {
    Phase.START: "beginning at",
    Phase.INPUT: "waiting for the input after",
    Phase.COMPILE: "compiling or in",
    Phase.STEP: "in",
    Phase.EVALUATION: "drawing or scoring after",
    Phase.CHECKPOINT: "saving",
}


class Watch:
    """Is told what a run is doing; a thread compares that with the clock."""

    def __init__(self, workdir: pathlib.Path, stuck_after: float, time_log: TimeLog):
        """Starts to watch.

        Args:
          workdir: gets the stacks of all threads, stuck/process-N.txt.
          stuck_after: seconds in an input or a step that mean stuck, ten times that
            for all else; 0: no limit.
          time_log: is told the same.
        """
        self._workdir, self._stuck_after = workdir, stuck_after
        self.time_log = time_log
        self._who = f"process {jax.process_index()} on {socket.gethostname()}"
        self._number = jax.process_index()
        self._ended = threading.Event()
        begun = time.monotonic()
        self._doing = (Phase.START, 0, begun, stuck_after * _PATIENCE)
        if stuck_after > 0:
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def now(self, phase: Phase, step: int, *, is_long: bool = True) -> None:
        """Says what begins now; `is_long` gives it ten times the seconds."""
        limit = self._stuck_after * (_PATIENCE if is_long else 1)
        self._doing = (phase, step, time.monotonic(), limit)
        self.time_log.now(phase, step)

    def inputs(
        self,
        batches: Iterable[tuple[int, Any]],
        first_step: int = 0,
        stride: int = 1,
        clock: DeviceClock | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yields `batches`, watching both the wait for each and its steps.

        Args:
          batches: (steps taken before it, batch).
          first_step: steps taken before the first of them.
          stride: steps that are taken with each.
          clock: knows when devices were done: until then a wait is the step's.
        """
        source, taken, is_first = iter(batches), first_step, True
        while True:
            self.now(Phase.INPUT, taken, is_long=is_first)
            start = time.monotonic()
            try:
                before, batch = next(source)
            except StopIteration:
                return
            if clock and not is_first:
                waited = time.monotonic() - start
                self.time_log.charge(Phase.STEP, waited - clock.idle_since(start))
            phase = Phase.COMPILE if is_first else Phase.STEP
            self.now(phase, before, is_long=is_first)
            yield before, batch
            taken, is_first = before + stride, False

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._stuck_after / 4)):
            phase, step, since, limit = self._doing
            seconds = time.monotonic() - since
            if seconds > limit:
                self._end(phase, step, seconds)

    def _end(self, phase: Phase, step: int, seconds: float) -> None:
        where = self._workdir / "stuck" / f"process-{self._number}.txt"
        line = (
            f"error: {self._who} is stuck: {seconds:.0f} s {_WORDS[phase]} step "
            f"{step}; stacks in {where}. The same command goes on from the last "
            "checkpoint.\n"
        )
        # The terminal or the disk may be what is stuck: the end comes anyway.
        threading.Timer(5, os._exit, (LOST,)).start()
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.__stderr__.fileno(), line.encode())
        with contextlib.suppress(OSError):
            where.parent.mkdir(exist_ok=True)
            with where.open("w") as file:
                file.write(line)
                file.flush()
                faulthandler.dump_traceback(file, all_threads=True)
        os._exit(LOST)

    def close(self) -> None:
        """Stops watching."""
        self._ended.set()


@contextlib.contextmanager
def watched(workdir: pathlib.Path, stuck_after: float) -> Iterator[Watch]:
    """Watches what is done inside, see `Watch`, and writes down how long it takes."""
    with TimeLog(workdir, enabled=is_first_process()) as time_log:
        watch = Watch(workdir, stuck_after, time_log)
        try:
            yield watch
        finally:
            watch.close()
