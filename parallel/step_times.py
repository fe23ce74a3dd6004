"""Which process is slower than the others."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from parallel.agreement import of_all
from parallel.run_log import log
from parallel.time_log import Phase, TimeLog

_PHASES = (Phase.INPUT, Phase.STEP)
_MICROSECONDS = 1e6
_LONGEST = 2000.0  # seconds that an int32 of microseconds can tell


class StepTimes:
    """Compares how long processes took over the same steps.

    Two times are compared. That until a process's own devices were done: pairs of
    different labels wait for nobody, so a slow device shows. And that in which its host
    was busy, input included: where devices wait for each other in every step, all are
    done at once, and only a slow host shows; which device it is cannot be seen from
    here, and needs a profile.
    """

    def __init__(self, time_log: TimeLog):
        """Starts; `time_log` knows the phases of this process."""
        self._time_log, self._then = time_log, time_log.spent(_PHASES)
        self._waited = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """What is done inside waits for other processes: that makes nobody slow."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    def compare(self, state: Any) -> dict[str, float]:
        """Compares the time since the last call; all processes call it together.

        Args:
          state: what the steps made; is waited for.

        Returns:
          Numbers for the metrics: nothing with one process.
        """
        if jax.process_count() == 1:
            return {}
        before = time.monotonic()
        jax.block_until_ready(state)
        blocked = time.monotonic() - before
        took = self._time_log.spent(_PHASES) - self._then - self._waited
        host = max(took - blocked, 0.0)
        if took <= 0:  # the first step, which is compiled
            took = host = 0.0
        said = of_all([int(_MICROSECONDS * min(s, _LONGEST)) for s in (took, host)])
        # Whoever was done first has waited for the others in that exchange.
        self._then, self._waited = self._time_log.spent(_PHASES), 0.0
        return _compared(said / _MICROSECONDS)


def _compared(seconds: np.ndarray) -> dict[str, float]:
    """Says who is slow; `seconds` [process, (until done, host busy)]."""
    took, host = seconds[:, 0], seconds[:, 1]
    typical = float(np.median(took))
    if typical <= 0:
        return {}
    slowest, busiest = int(np.argmax(took)), int(np.argmax(host))
    found = {
        "slowest_process": slowest,
        "slowest_step_ratio": float(took[slowest]) / typical,
        "busiest_host": busiest,
        "busiest_host_share": float(host[busiest] / took.max()),
        "median_host_share": float(np.median(host) / took.max()),
    }
    log.info(
        "step times: process %d slowest, %.2f x the median; host of process %d busy "
        "%.0f %% of the time, the median one %.0f %%",
        *(slowest, found["slowest_step_ratio"], busiest),
        *(100 * found["busiest_host_share"], 100 * found["median_host_share"]),
    )
    return found
