"""What a person sees while a run is under way."""

import contextlib
import time

import numpy as np
from tqdm import tqdm

from parallel.device_memory import memory_gib
from parallel.mesh import is_first_process
from parallel.run_log import log


class Status:
    """A progress bar on a terminal, and one line per tick everywhere."""

    def __init__(self, first_step: int, num_steps: int, images_per_step: int):
        """Starts the clock.

        Args:
          first_step: steps that were taken before.
          num_steps: of the whole run.
          images_per_step: training images that all pairs see in a step.
        """
        self._num_steps = num_steps
        self._images_per_step = images_per_step
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            unit="step",
            disable=None if is_first_process() else True,
        )
        self._started, self._step_then = time.perf_counter(), first_step
        self._skipped_then = None

    def advance(self, steps: int) -> None:
        """Moves the progress bar."""
        self._bar.update(steps)

    @contextlib.contextmanager
    def paused(self):
        """Stops the clock, for what is not training."""
        start = time.perf_counter()
        yield
        self._started += time.perf_counter() - start

    def tick(self, step: int, metrics: dict[str, np.ndarray]) -> dict:
        """Prints the status line.

        Args:
          step: steps taken.
          metrics: of the last step, [entry] each.

        Returns:
          What the line says, for the metric writer.
        """
        now = time.perf_counter()
        images = (step - self._step_then) * self._images_per_step
        rate = images / max(now - self._started, 1e-9)
        self._started, self._step_then = now, step
        # Any step since the last line counts; a resumed run knows of the last step.
        skipped, then = metrics["skipped"], self._skipped_then
        lately = metrics["skipped_in_a_row"] > 0
        bad = np.flatnonzero(lately if then is None else lately | (skipped > then))
        bad, self._skipped_then = bad.tolist(), skipped
        healthy = metrics["skipped_in_a_row"] == 0
        # Of labels that are well; of none of them, what there is.
        shown = healthy if healthy.any() else slice(None)
        losses = metrics["generator_loss"][shown]
        seen = {
            "images_per_second": rate,
            "generator_loss_worst": float(np.max(losses)),
            "generator_loss_median": float(np.median(losses)),
            "generator_loss_best": float(np.min(losses)),
            "discriminator_loss_median": float(
                np.median(metrics["discriminator_loss"][shown])
            ),
            "memory_gib": memory_gib(),
            "steps_skipped": int(np.sum(metrics["skipped"])),
            "labels_bad": bad,
        }
        line = (
            f"step {step}/{self._num_steps}  {rate:,.0f} images/s  "
            f"{1000 / rate:.2f} s/1k images  {seen['memory_gib']:.2f} GiB  G loss "
            f"worst {seen['generator_loss_worst']:.3f} "
            f"median {seen['generator_loss_median']:.3f} "
            f"best {seen['generator_loss_best']:.3f}  "
            f"D loss {seen['discriminator_loss_median']:.3f}  "
            f"bad labels: {', '.join(map(str, bad)) or 'none'}"
        )
        log.info(line)
        return seen

    def close(self) -> None:
        """Ends the progress bar."""
        self._bar.close()
