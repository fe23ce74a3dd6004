"""A measured 4D-STEM scan: what was recorded where, with which units."""

import dataclasses
from typing import Any

import numpy as np

from inverse.errors import ConfigError

AXES = ("y", "x", "ky", "kx")
_MOST_PIXELS = 1 << 26  # of a pattern
# (name, smallest, largest, what it is), in files and in what is said of files.
_NUMBERS = (
    ("energy_ev", 1e3, 3e6, "of the beam"),
    ("semiangle_mrad", 0.1, 300.0, "of the probe-forming aperture"),
    ("step_a", 1e-3, 1e4, "between probe positions"),
    ("angle_mrad", 1e-4, 100.0, "of a detector pixel"),
)
_OPTIONAL = (
    ("thickness_a", 1.0, 1e5, "of the specimen"),
    ("electrons", 1e-3, 1e12, "per probe position"),
)


@dataclasses.dataclass(frozen=True)
class MeasuredScan:
    """A stack of patterns and what one needs to know to read it.

    Attributes:
      data: array of four axes, in memory or not; read by slices.
      axes: what they are, a permutation of AXES: scan rows and columns, detector rows
        and columns. ky and kx run along y and x: nothing is turned.
      energy_ev: of the beam [eV].
      semiangle_mrad: of the probe-forming aperture [mrad].
      step_a: between neighbouring probe positions [Å].
      angle_mrad: of a detector pixel [mrad].
      thickness_a: of the specimen [Å], if known.
      electrons: per probe position, in the data's units, if known.
    """

    data: Any
    axes: tuple[str, ...]
    energy_ev: float
    semiangle_mrad: float
    step_a: float
    angle_mrad: float
    thickness_a: float | None = None
    electrons: float | None = None

    def size(self, axis: str) -> int:
        """Length of an axis."""
        return self.data.shape[self.axes.index(axis)]

    def part(self, rows: slice, columns: slice) -> np.ndarray:
        """Reads patterns [y, x, ky, kx] of some positions, float32."""
        chosen = {"y": rows, "x": columns}
        index = tuple(chosen.get(axis, slice(None)) for axis in self.axes)
        found = np.asarray(self.data[index], np.float32)
        if not np.isfinite(found).all():
            raise ConfigError(
                f"the scan holds numbers that are not finite, among its rows "
                f"{rows.start}...{rows.stop} and columns {columns.start}..."
                f"{columns.stop}; mask these pixels with 0 first."
            )
        return found.transpose([self.axes.index(axis) for axis in AXES])


def _number(name: str, value: Any, low: float, high: float, file: str) -> float:
    try:
        number = float(np.asarray(value).item())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{file}: {name}={value!r} is not one number.") from error
    if not low <= number <= high:
        raise ConfigError(
            f"{file}: {name}={number:g} is not within {low:g} ... {high:g}; is it in "
            f"the unit that its name says?"
        )
    return number


def _axes(value: Any, shape: tuple[int, ...], file: str) -> tuple[str, ...]:
    said = str(np.asarray(value).item() if np.ndim(value) == 0 else ",".join(value))
    axes = tuple(part.strip() for part in said.split(","))
    if sorted(axes) != sorted(AXES):
        raise ConfigError(
            f"{file}: axes={said!r}: must name y, x (scan) and ky, kx (detector) in "
            "the array's order, e.g. 'y,x,ky,kx'."
        )
    if len(shape) != len(AXES):
        raise ConfigError(f"{file}: an array of shape {shape} has not four axes.")
    return axes


def measured_scan(data: Any, said: dict[str, Any], file: str) -> MeasuredScan:
    """Puts data and what is said of it together; nothing is guessed.

    Args:
      data: array of four axes.
      said: the fields of MeasuredScan, in the units of their names.
      file: name for errors.

    Raises:
      ConfigError: something is missing or makes no sense.
    """
    missing = [
        name for name in ("axes", *(n for n, *_ in _NUMBERS)) if name not in said
    ]
    if missing:
        raise ConfigError(
            f"{file}: does not say {', '.join(missing)}; write them into "
            f"{file}.json, as in README.md."
        )
    if float(np.asarray(said.get("rotation_deg", 0.0)).item()) != 0:
        raise ConfigError(
            f"{file}: rotation_deg={said['rotation_deg']}: turn the patterns so that "
            "ky and kx run along the scan's y and x first."
        )
    numbers = {
        name: _number(name, said[name], low, high, file)
        for name, low, high, _ in (*_NUMBERS, *_OPTIONAL)
        if name in said
    }
    axes = _axes(said["axes"], tuple(data.shape), file)
    rows, columns = (data.shape[axes.index(axis)] for axis in ("ky", "kx"))
    # A header may say anything; a pattern is what is read at once.
    if not 0 < rows * columns <= _MOST_PIXELS:
        raise ConfigError(
            f"{file}: patterns of {rows} x {columns} pixels; there must be some, and "
            f"no more than {_MOST_PIXELS}."
        )
    return MeasuredScan(data, axes, **numbers)


def outside_training(config, measured: MeasuredScan, angle_mrad: float) -> list[str]:
    """Says in what a scan differs from all that the network was trained on.

    Args:
      config: of the network.
      measured: the scan.
      angle_mrad: of a pixel of the patterns that the network was trained on.
    """
    dataset, model = config.dataset, config.model
    side = round(model.channels**0.5)
    step = dataset.extent_a * dataset.scan_fraction / side
    said = []
    for name, trained, found, tolerance in (
        ("energy_ev", dataset.energy_ev, measured.energy_ev, 0.01),
        ("semiangle_mrad", dataset.semiangle_mrad, measured.semiangle_mrad, 0.02),
        ("step_a", step, measured.step_a, 0.02),
    ):
        if abs(found - trained) > tolerance * trained:
            said.append(f"{name} is {found:g}, the network was trained on {trained:g}")
    reach = angle_mrad * model.image_size / 2
    found = measured.angle_mrad * min(measured.size("ky"), measured.size("kx")) / 2
    if found < 0.98 * reach:
        said.append(
            f"the detector reaches {found:.1f} mrad, the network was trained on "
            f"{reach:.1f}: the rest is taken as dark"
        )
    low, high = dataset.thickness_a
    if measured.thickness_a is None:
        said.append(f"thickness_a is not said, the network knows {low:g} ... {high:g}")
    elif not low <= measured.thickness_a <= high:
        said.append(
            f"thickness_a is {measured.thickness_a:g}, the network was trained on "
            f"{low:g} ... {high:g}"
        )
    return said
