"""The periodic grid that waves and potentials are sampled on."""

import dataclasses
import math

import numpy as np

from inverse.simulator.errors import SimulatorError, check_range

# Of Nyquist: products of two functions limited to it do not alias into it.
BAND_LIMIT = 2 / 3
_TAPER = 0.01


def smooth_size(least: float) -> int:
    """The next even number with no prime factor above 5: fast to transform."""
    size = 2 * math.ceil(least / 2)
    while (2 * 3 * 5) ** 12 % size:
        size += 2
    return size


@dataclasses.dataclass(frozen=True)
class Grid:
    """A rectangular cell and its sampling.

    Attributes:
      extent_a: sides of the cell (y, x) [A].
      gpts: samples along (y, x).
    """

    extent_a: tuple[float, float]
    gpts: tuple[int, int]

    def __post_init__(self):
        """Refuses a cell or a sampling that cannot be computed."""
        for axis, side, count in zip("yx", self.extent_a, self.gpts, strict=True):
            check_range(f"extent_a along {axis}", side, 1e-1, 1e4, "A")
            if count < 4 or count % 2:
                raise SimulatorError(
                    f"gpts={count} along {axis}: must be an even number, 4 or more."
                )

    @property
    def area_a2(self) -> float:
        """Area of the cell [A^2]."""
        return self.extent_a[0] * self.extent_a[1]

    @property
    def sampling_a(self) -> tuple[float, float]:
        """Distance of samples (y, x) [A]."""
        return tuple(d / n for d, n in zip(self.extent_a, self.gpts, strict=True))

    @property
    def cutoff(self) -> float:
        """Largest spatial frequency that is propagated [1/A]."""
        return BAND_LIMIT / (2 * max(self.sampling_a))

    def frequencies(self) -> tuple[np.ndarray, np.ndarray]:
        """Spatial frequencies (ky [y, 1], kx [1, x]) [1/A], in the order of an FFT."""
        ky, kx = (
            np.fft.fftfreq(n, d)
            for n, d in zip(self.gpts, self.sampling_a, strict=True)
        )
        return ky[:, None], kx[None, :]

    def squared_frequency(self) -> np.ndarray:
        """k^2 [y, x] [1/A^2], in the order of an FFT."""
        ky, kx = self.frequencies()
        return ky**2 + kx**2

    def band_limit(self) -> np.ndarray:
        """1 up to two thirds of Nyquist, then a short cosine down to 0 [y, x]."""
        width = _TAPER / max(self.sampling_a)
        k = np.sqrt(self.squared_frequency())
        falling = np.clip((k - self.cutoff + width) / width, 0, 1)
        return (0.5 * (1 + np.cos(np.pi * falling))).astype(np.float32)
