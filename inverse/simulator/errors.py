"""What can be wrong with a quantity or a specimen."""

import math


class SimulatorError(ValueError):
    """Cannot be simulated; the message is one line with the remedy."""


def check_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuses a `value` outside [low, high].

    Raises:
      SimulatorError: names the quantity, its value and its range.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise SimulatorError(
            f"{name}={value} {unit}: must lie in {low:g} ... {high:g} {unit}."
        )
