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
      fixed: transmissions, propagator, S-matrix.
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
    matrix_bytes: int = 0,
) -> Budget:
    """Chooses the largest batch of probes that fits.

    Args:
      grid: of the waves.
      num_unique_slices: transmissions that are kept.
      num_probes: of the scan.
      shape: pixels of a pattern.
      budget_bytes: that may be used.
      largest_batch: beyond which nothing is gained.
      matrix_bytes: of an S-matrix that is kept as well.

    Raises:
      SimulatorError: one probe does not fit; names what would.
    """
    pixels = grid.gpts[0] * grid.gpts[1]
    layers = _COMPLEX * pixels * (num_unique_slices + 1)
    fixed = layers + matrix_bytes
    per_probe = _COMPLEX * pixels * _COPIES
    results = _REAL * num_probes * shape[0] * shape[1]
    left = budget_bytes - fixed - results
    batch = min(largest_batch, num_probes, left // per_probe)
    if batch < 1:
        need = fixed + results + per_probe
        largest = max(
            (layers, "thinner specimens"),
            (results, "a coarser scan"),
            (matrix_bytes, "probes in place of the S-matrix"),
        )[1]
        raise SimulatorError(
            f"budget_bytes={budget_bytes}: one probe takes {need} bytes ({layers} of "
            f"slices, {results} of patterns, {matrix_bytes} of an S-matrix); use "
            f"{largest}, fewer gpts or more memory."
        )
    return Budget(fixed, per_probe, results, int(batch))
