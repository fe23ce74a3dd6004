"""What the axes of 4D stacks in HDF5 say of themselves: EMD's and HyperSpy's."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from inverse.errors import ConfigError
from inverse.lengths import LENGTHS_A, inverse_length_a
from inverse.simulator.electron import wavelength_a

# py4DSTEM names axes Rx, Ry, Qx, Qy, its x being rows.
_OTHER_NAMES = {"Rx": "y", "Ry": "x", "Qx": "ky", "Qy": "kx"}
_AXES = ("kx", "ky", "x", "y")
# What HyperSpy writes for None.
_NOTHING = ("", "_None_", "<undefined>")


class _Axis(NamedTuple):
    """One axis: name, size, unit, from one element to the next, of the first."""

    name: str
    size: int
    unit: str
    step: float | None
    first: float | None


def text_of(attributes: Any) -> dict:
    """Attributes, bytes as text."""
    pairs = dict(attributes).items()
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in pairs}


def said_by_axes(data: Any, stated: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside an array of four axes: their order, steps, the microscope.

    Args:
      data: an h5py dataset.
      stated: what else says it, which wins: it is not read off the axes.

    Raises:
      ConfigError: two axes contradict each other, a number is none, or the beam is not
        in the middle.
    """
    axes, said = _emd(data), {}
    if axes is None:
        axes, said = _hyperspy(data), _instrument(data.parent)
    energy_ev = stated.get("energy_ev", said.get("energy_ev"))
    for axis in axes or ():
        _require_centred(data, axis, stated)
        for name, value in _calibration(axis, energy_ev).items():
            if name in stated:
                continue
            if not math.isclose(said.setdefault(name, value), value, rel_tol=1e-3):
                raise ConfigError(
                    f"{data.name}: {name} is {said[name]:g} along one axis and "
                    f"{value:g} along another; square steps and pixels are read."
                )
    order = [axis.name for axis in axes or ()]
    if sorted(order) == sorted(_AXES):
        said["axes"] = ",".join(order)
    return said | stated


def _number(about: Mapping[str, Any], name: str, where: str) -> float | None:
    """An attribute as a number; None if it is not there, or says nothing."""
    value = about.get(name)
    if value is None or (isinstance(value, str) and value in _NOTHING):
        return None
    try:
        number = float(np.asarray(value).item())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {name}={value!r} is not one number.") from error
    if not math.isfinite(number):
        raise ConfigError(f"{where}: {name}={number} is not a finite number.")
    return number


def _emd(data: Any) -> list[_Axis] | None:
    """The axes dim0 ... (or dim1 ...) beside an EMD array."""
    group = data.parent
    start = 0 if "dim0" in group else 1
    if any(f"dim{start + number}" not in group for number in range(data.ndim)):
        return None
    found = []
    for number, size in enumerate(data.shape):
        axis = group[f"dim{start + number}"]
        about = text_of(axis.attrs)
        name = str(about.get("name", ""))
        values = np.asarray(axis).ravel()
        step = float(values[1] - values[0]) if len(values) > 1 else None
        first = float(values[0]) if len(values) else None
        found.append(
            _Axis(_OTHER_NAMES.get(name, name), size, _unit(about), step, first)
        )
    return found


def _hyperspy(data: Any) -> list[_Axis] | None:
    """The axes axis-0 ... beside a HyperSpy array."""
    group, found = data.parent, []
    if any(f"axis-{number}" not in group for number in range(data.ndim)):
        return None
    for number, size in enumerate(data.shape):
        where = f"{data.name}, axis-{number}"
        about = text_of(group[f"axis-{number}"].attrs)
        step, first = (_number(about, field, where) for field in ("scale", "offset"))
        found.append(_Axis(str(about.get("name", "")), size, _unit(about), step, first))
    return found


def _unit(about: Mapping[str, Any]) -> str:
    return str(about.get("units", "")).strip("[]$ ").lower()


def _instrument(group: Any) -> dict[str, float]:
    """Energy and semi-angle of HyperSpy's metadata, which has kV and mrad."""
    place = "metadata/Acquisition_instrument/TEM"
    about = text_of(group[place].attrs) if place in group else {}
    energy = _number(about, "beam_energy", place)
    angle = _number(about, "convergence_angle", place)
    return ({} if energy is None else {"energy_ev": 1e3 * energy}) | (
        {} if angle is None else {"semiangle_mrad": angle}
    )


def _calibration(axis: _Axis, energy_ev: Any) -> dict[str, float]:
    """The step of a scan, or the angle of a detector pixel, if the axis says it."""
    if not axis.step:
        return {}
    if axis.name in ("y", "x"):
        length = LENGTHS_A.get(axis.unit)
        return {} if length is None else {"step_a": axis.step * length}
    if axis.name not in ("ky", "kx"):
        return {}
    if axis.unit in ("mrad", "rad"):
        return {"angle_mrad": axis.step * (1e3 if axis.unit == "rad" else 1.0)}
    length = inverse_length_a(axis.unit)
    if length is None or energy_ev is None:
        return {}
    energy = float(np.asarray(energy_ev).item())
    return {"angle_mrad": 1e3 * wavelength_a(energy) * axis.step / length}


def _require_centred(data: Any, axis: _Axis, stated: Mapping[str, Any]) -> None:
    """The beam goes through pixel n // 2; an axis that begins at zero says nothing."""
    if axis.name not in ("ky", "kx") or not axis.first or not axis.step:
        return
    centre = -axis.first / axis.step
    if abs(centre - axis.size // 2) > 0.5 and not stated.get("centred"):
        raise ConfigError(
            f"{data.name}: along {axis.name} the beam goes through pixel {centre:.1f}, "
            f"not through {axis.size // 2}, the middle of {axis.size}; crop the "
            'patterns about it first, or write "centred": true into the file\'s .json '
            "if the axis is wrong."
        )
