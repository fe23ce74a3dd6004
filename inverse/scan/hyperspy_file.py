"""Signals with calibrated axes in HDF5, as HyperSpy reads them (.hspy)."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import h5py
import numpy as np

# Of the layout that HyperSpy documents; readers of later ones read it too.
_FORMAT_VERSION = "3.1"


class Axis(NamedTuple):
    """Where the elements along one dimension lie.

    Attributes:
      name: such as "kx".
      units: such as "mrad".
      scale: from one element to the next.
      offset: of the first one.
      navigate: whether it counts signals rather than runs inside one.
    """

    name: str
    units: str
    scale: float
    offset: float = 0.0
    navigate: bool = False


class Signal(NamedTuple):
    """Data and what its axes mean, slowest first."""

    title: str
    data: np.ndarray
    axes: Sequence[Axis]
    quantity: str


def write_signals(
    path: pathlib.Path,
    signals: Sequence[Signal],
    instrument: Mapping,
    provenance: Mapping,
) -> None:
    """Writes `signals` into one file.

    Args:
      path: ending in .hspy; replaced as a whole.
      signals: titles differ.
      instrument: HyperSpy's Acquisition_instrument.
      provenance: goes into every signal's original_metadata.
    """
    unfinished = path.with_suffix(".unfinished")
    with h5py.File(unfinished, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        file.attrs["file_format_version"] = _FORMAT_VERSION
        for signal in signals:
            group = file.create_group(f"Experiments/{signal.title}")
            _write(group, signal, instrument, provenance)
    unfinished.replace(path)


def _write(group, signal: Signal, instrument: Mapping, provenance: Mapping) -> None:
    navigated = sum(axis.navigate for axis in signal.axes)
    chunks = (1,) * navigated + signal.data.shape[navigated:] if navigated else None
    group.create_dataset("data", data=signal.data, chunks=chunks)
    for i, (axis, size) in enumerate(zip(signal.axes, signal.data.shape, strict=True)):
        place = group.create_group(f"axis-{i}")
        place.attrs.update(axis._asdict())
        place.attrs.update({"size": size, "_type": "UniformDataAxis"})
        place.attrs["is_binned"] = False
        place.attrs["index_in_array"] = i
    metadata = {
        "General": {"title": signal.title},
        "Signal": {"signal_type": "", "quantity": signal.quantity},
        "Acquisition_instrument": instrument,
    }
    _write_tree(group.create_group("metadata"), metadata)
    _write_tree(group.create_group("original_metadata"), provenance)


def _write_tree(group, tree: Mapping) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _write_tree(group.create_group(name), value)
        else:
            plain = isinstance(value, str | int | float)
            group.attrs[name] = value if plain else repr(value)
