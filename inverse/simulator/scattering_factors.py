"""Electron scattering factors of isolated atoms, from published tables."""

import functools
import pathlib

import numpy as np

from inverse.simulator.errors import SimulatorError

TABLES = ("lobato", "kirkland")
_DATA = pathlib.Path(__file__).parent / "data"


@functools.cache
def _table(name: str) -> np.ndarray:
    """Parameters [element, parameter] of `name`; row 0 is hydrogen."""
    if name not in TABLES:
        raise SimulatorError(f"table={name!r}: choose {' or '.join(TABLES)}.")
    return np.loadtxt(_DATA / f"{name}.txt")[:, 1:]


def scattering_factor(
    number: int, frequency: np.ndarray, table: str = "lobato"
) -> np.ndarray:
    """Electron scattering factor f(g) [A] in the first Born approximation.

    Args:
      number: atomic number, 1 ... 103.
      frequency: g = 2 sin(theta) / lambda [1/A], any shape.
      table: "lobato" (Acta Cryst. A70, 636) or "kirkland" (2nd ed., app. C).
    """
    rows = _table(table)
    if not 1 <= number <= len(rows):
        raise SimulatorError(f"atomic number {number}: must lie in 1 ... {len(rows)}.")
    g2 = np.square(np.asarray(frequency, np.float64))[..., None]
    if table == "lobato":
        a, b = rows[number - 1].reshape(2, 5)
        return np.sum(a * (2 + b * g2) / (1 + b * g2) ** 2, axis=-1)
    a, b, c, d = rows[number - 1].reshape(4, 3)
    return np.sum(a / (g2 + b) + c * np.exp(-d * g2), axis=-1)
