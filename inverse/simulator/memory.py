"""How much memory a simulation takes, before it runs."""

import dataclasses

from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import Grid

_COMPLEX, _REAL = 8, 4
# Waves, their transform and one intermediate of it.
_COPIES = 3


@dataclasses.dataclass(frozen=True)
class Budget:
    """A simulation's bytes.

    Attributes:
      fixed: transmissions and propagator.
      per_probe: of each probe that travels with others.
      results: of all patterns.
      batch_size: probes that travel together.
    """

    fixed: int
    per_probe: int
    results: int
    batch_size: int

    @property
    def total(self) -> int:
        """Largest amount at any time."""
        return self.fixed + self.results + self.batch_size * self.per_probe


def plan_memory(
    grid: Grid,
    *,
    num_unique_slices: int,
    num_probes: int,
    shape: tuple[int, int],
    budget_bytes: int,
    largest_batch: int = 128,
) -> Budget:
    """Chooses the largest batch of probes that fits.

    Args:
      grid: of the waves.
      num_unique_slices: transmissions that are kept.
      num_probes: of the scan.
      shape: pixels of a pattern.
      budget_bytes: that may be used.
      largest_batch: beyond which nothing is gained.

    Raises:
      SimulatorError: one probe does not fit; names what would.
    """
    pixels = grid.gpts[0] * grid.gpts[1]
    fixed = _COMPLEX * pixels * (num_unique_slices + 1)
    per_probe = _COMPLEX * pixels * _COPIES
    results = _REAL * num_probes * shape[0] * shape[1]
    left = budget_bytes - fixed - results
    batch = min(largest_batch, num_probes, left // per_probe)
    if batch < 1:
        need = fixed + results + per_probe
        largest = max((fixed, "thinner specimens"), (results, "a coarser scan"))[1]
        raise SimulatorError(
            f"budget_bytes={budget_bytes}: one probe takes {need} bytes ({fixed} of "
            f"slices, {results} of patterns); use {largest}, fewer gpts or more memory."
        )
    return Budget(fixed, per_probe, results, int(batch))
