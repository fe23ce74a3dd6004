"""What a person sees while a run is under way."""

import contextlib
import time

from tqdm import tqdm

from parallel.device_memory import memory_gib
from parallel.mesh import is_first_process
from parallel.run_log import log


class Status:
    """A progress bar on a terminal, and one line per tick everywhere."""

    def __init__(self, first_step: int, num_steps: int, batch_size: int):
        """Starts the clock; `batch_size` is that of all devices."""
        self._num_steps, self._batch_size = num_steps, batch_size
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            unit="step",
            disable=None if is_first_process() else True,
        )
        self._started, self._step_then = time.perf_counter(), first_step
        self._waited = 0.0

    def advance(self) -> None:
        """Moves the progress bar."""
        self._bar.update(1)

    def waited(self, seconds: float) -> None:
        """Counts seconds in which devices waited for their batch."""
        self._waited += seconds

    @contextlib.contextmanager
    def paused(self):
        """Stops the clock, for what is not training."""
        start = time.perf_counter()
        yield
        self._started += time.perf_counter() - start

    def tick(self, step: int, metrics: dict, learning_rate: float) -> dict:
        """Prints the status line; returns what it says, for the metric writer.

        Args:
          step: steps taken.
          metrics: of the last step, scalars.
          learning_rate: of the last step.
        """
        now = time.perf_counter()
        seconds = max(now - self._started, 1e-9)
        rate = (step - self._step_then) * self._batch_size / seconds
        seen = {
            "loss": float(metrics["loss"]),
            "gradient_norm": float(metrics["gradient_norm"]),
            "learning_rate": learning_rate,
            "loss_scale": float(metrics["loss_scale"]),
            "steps_skipped": int(metrics["steps_skipped"]),
            "samples_per_second": rate,
            "data_wait_share": self._waited / seconds,
            "memory_gib": memory_gib(),
        }
        self._started, self._step_then, self._waited = now, step, 0.0
        log.info(
            "step %d/%d  loss %.4f  lr %.2e  %.1f samples/s  waiting for data %.0f %%  "
            "%.2f GiB  loss scale %g  skipped %d",
            *(step, self._num_steps, seen["loss"], learning_rate, rate),
            *(100 * seen["data_wait_share"], seen["memory_gib"]),
            *(seen["loss_scale"], seen["steps_skipped"]),
        )
        return seen

    def close(self) -> None:
        """Ends the progress bar."""
        self._bar.close()
