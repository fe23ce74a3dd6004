"""What the axes of 4D stacks in HDF5 say of themselves: EMD's and HyperSpy's."""

import math
from typing import Any, NamedTuple

import numpy as np

from inverse.errors import ConfigError
from inverse.simulator.electron import wavelength_a

# Units of lengths: to A, and inverted to 1/A.
_LENGTHS = {"a": 1.0, "å": 1.0, "angstrom": 1.0, "nm": 10.0, "n_m": 10.0, "pm": 0.01}
# py4DSTEM names axes Rx, Ry, Qx, Qy, its x being rows.
_OTHER_NAMES = {"Rx": "y", "Ry": "x", "Qx": "ky", "Qy": "kx"}
_AXES = ("kx", "ky", "x", "y")


class _Axis(NamedTuple):
    """One axis: name, size, from one element to the next, of the first; if said."""

    name: str
    size: int
    unit: str
    step: float | None
    first: float | None


def text_of(attributes: Any) -> dict:
    """Attributes, bytes as text."""
    return {
        k: v.decode() if isinstance(v, bytes) else v
        for k, v in dict(attributes).items()
    }


def said_by_axes(data: Any, energy_ev: Any) -> dict:
    """What stands beside an array of four axes: their order, steps, the microscope.

    Args:
      data: an h5py dataset.
      energy_ev: of the beam, if something else says it: angles may be given in 1/A.

    Raises:
      ConfigError: two axes contradict each other, or the beam is not in the middle.
    """
    axes, said = _emd(data), {}
    if axes is None:
        axes, said = _hyperspy(data), _instrument(data.parent)
    if axes is None:
        return said
    energy_ev = said.get("energy_ev", energy_ev) if energy_ev is None else energy_ev
    for axis in axes:
        if axis.step is None or not axis.unit:
            continue
        found = _calibration(axis, energy_ev)
        for name, value in found.items():
            if not math.isclose(said.setdefault(name, value), value, rel_tol=1e-3):
                raise ConfigError(
                    f"{data.name}: {name} is {said[name]:g} along one axis and "
                    f"{value:g} along another; square steps and pixels are read."
                )
        _require_centred(data, axis)
    order = [axis.name for axis in axes]
    return said | ({"axes": ",".join(order)} if sorted(order) == sorted(_AXES) else {})


def _emd(data: Any) -> list[_Axis] | None:
    """The axes dim0 ... (or dim1 ...) beside an EMD array."""
    group = data.parent
    first = 0 if "dim0" in group else 1
    if f"dim{first}" not in group:
        return None
    found = []
    for number, size in enumerate(data.shape):
        axis = group[f"dim{first + number}"]
        about = text_of(axis.attrs)
        name = str(about.get("name", ""))
        values = np.asarray(axis).ravel()
        step = float(values[1] - values[0]) if len(values) > 1 else None
        unit = str(about.get("units", "")).strip("[]").lower()
        # py4DSTEM counts detector pixels from the first: no origin is said.
        found.append(_Axis(_OTHER_NAMES.get(name, name), size, unit, step, None))
    return found


def _hyperspy(data: Any) -> list[_Axis] | None:
    """The axes axis-0 ... beside a HyperSpy array."""
    group, found = data.parent, []
    if any(f"axis-{number}" not in group for number in range(data.ndim)):
        return None
    for number, size in enumerate(data.shape):
        about = text_of(group[f"axis-{number}"].attrs)
        unit = str(about.get("units", "")).lower()
        step, first = about.get("scale"), about.get("offset")
        found.append(
            _Axis(
                str(about.get("name", "")),
                size,
                unit,
                None if step is None else float(step),
                None if first is None else float(first),
            )
        )
    return found


def _instrument(group: Any) -> dict:
    """Energy and semi-angle of HyperSpy's metadata, which has kV and mrad."""
    place = "metadata/Acquisition_instrument/TEM"
    about = text_of(group[place].attrs) if place in group else {}
    said = {}
    if "beam_energy" in about:
        said["energy_ev"] = 1e3 * float(about["beam_energy"])
    if "convergence_angle" in about:
        said["semiangle_mrad"] = float(about["convergence_angle"])
    return said


def _calibration(axis: _Axis, energy_ev: Any) -> dict:
    if axis.name in ("y", "x"):
        length = _LENGTHS.get(axis.unit)
        return {} if length is None else {"step_a": axis.step * length}
    if axis.unit == "mrad":
        return {"angle_mrad": axis.step}
    length = axis.unit.replace("^-1", "").replace("1/", "").replace("-1", "")
    if axis.name not in ("ky", "kx") or length not in _LENGTHS or energy_ev is None:
        return {}
    energy = float(np.asarray(energy_ev).item())
    return {"angle_mrad": 1e3 * wavelength_a(energy) * axis.step / _LENGTHS[length]}


def _require_centred(data: Any, axis: _Axis) -> None:
    """The beam goes through pixel n // 2; an axis that begins at zero says nothing."""
    if axis.name not in ("ky", "kx") or not axis.first:
        return
    centre = -axis.first / axis.step
    if abs(centre - axis.size // 2) > 0.5:
        raise ConfigError(
            f"{data.name}: along {axis.name} the beam goes through pixel {centre:.1f}, "
            f"not through {axis.size // 2}, the middle of {axis.size}; crop the "
            "patterns about it first."
        )
