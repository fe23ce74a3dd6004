"""Columns of an image of any zone axis: how far each stands from its mean place.

What a micrograph tells without a network: Gaussians fitted to every column, less the
lattice and the slow distortions of the scan. Nothing of depth, and no tilts.
"""

import csv
import json
import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from inverse.micrograph.column_fit import fit_columns
from inverse.micrograph.files import Micrograph
from inverse.micrograph.lattice_fit import Lattice, refined_lattice
from inverse.micrograph.motif import Site, find_sites, shortest_reciprocal_vectors

_LEAST_RADIUS_PX = 3
# Of a cell, within which two detectors' columns are the same.
_SAME_SITE = 0.15
# Columns of a kind, of which fewer are chance.
_FEWEST = 9
# Of a cell: a site so near to the next cell's beginning stands there.
_HARDLY = 0.02
# Of the cells, that a kind of column fills at least unless something is wrong.
_WELL_FILLED = 0.8
# A fit that ends further than this from where it began, of the radius, is none.
_FARTHEST = 0.8


class ColumnKind(NamedTuple):
    """The columns at one place of every cell, seen by one detector.

    Attributes:
      detector: that shows them.
      site: their mean place in the cell [(i, j)], cells: from -0.02 to 0.98.
      cells: of each column [n, (i, j)].
      places: of each [n, (x, y)], pixels.
      shifts: of each from the mean place of its kind [n, (x, y)], pixels.
      noise_px: standard error of each place along one direction, by noise alone [n].
      filled: share of the cells in the image whose column was found.
    """

    detector: str
    site: np.ndarray
    cells: np.ndarray
    places: np.ndarray
    shifts: np.ndarray
    noise_px: np.ndarray
    filled: float


def fit_kind(
    image: np.ndarray, detector: str, lattice: Lattice, site: Site
) -> ColumnKind | None:
    """Fits one kind of column in every whole cell; None if hardly any is found.

    The error is that of a Gaussian's place in white noise, sqrt(2 / pi) pixels times
    noise over height (Condon, PASP 109, 166, 1997); what is left of the fit counts as
    noise. What a sloping background or a trembling scan does comes on top of it.
    """
    span = [np.arange(n) for n in lattice.counts]
    cells = np.stack(np.meshgrid(*span), axis=-1).reshape(-1, 2)
    guess = lattice.places(cells + site.place)
    radius = max(int(site.radius_px), _LEAST_RADIUS_PX)
    size = np.array(image.shape[::-1])
    inside = np.all((guess > radius) & (guess < size - radius), axis=1)
    cells, guess = cells[inside], guess[inside]
    if len(cells) < _FEWEST:
        return None
    found = fit_columns(
        jnp.asarray(image),
        jnp.asarray(guess, jnp.float32),
        1.0,
        radius_pixels=radius,
        start_width=radius / 2,
    )
    shifts = np.asarray(found.positions) - guess
    near = np.linalg.norm(shifts, axis=1) < _FARTHEST * radius
    if near.sum() < _FEWEST:
        return None
    mean = np.median(shifts[near], axis=0)
    height = np.maximum(np.abs(found.amplitude[near]), 1e-12)
    place = site.place + np.linalg.solve(lattice.vectors.T, mean)
    # A site is told within the cell that its columns are counted in.
    whole = np.floor(place + _HARDLY)
    return ColumnKind(
        detector,
        place - whole,
        cells[near] + whole.astype(int),
        np.asarray(found.positions)[near],
        shifts[near] - mean,
        np.sqrt(2 / np.pi) * np.asarray(found.residual[near]) / height,
        float(near.mean()),
    )


def map_columns(
    images: list[np.ndarray], detectors: list[str]
) -> tuple[Lattice, list[ColumnKind]]:
    """Finds the lattice of the first image, and every kind of column of each.

    Args:
      images: recorded at once [y, x].
      detectors: of each; columns are dark in ABF.
    """
    dark = [name == "ABF" for name in detectors]
    reciprocal = shortest_reciprocal_vectors(images[0])
    lattice = refined_lattice(images[0], reciprocal, dark=dark[0])
    found = [
        fit_kind(image, name, lattice, site)
        for image, name, is_dark in zip(images, detectors, dark, strict=True)
        for site in find_sites(image, lattice, dark=is_dark)
    ]
    return lattice, [kind for kind in found if kind is not None]


def warnings_of(
    lattice: Lattice, kinds: list[ColumnKind], detectors: list[str]
) -> list[str]:
    """What makes the map doubtful."""
    found = lattice.looseness()
    shown = {kind.detector for kind in kinds}
    found += [f"{name} shows no columns" for name in detectors if name not in shown]
    found += [
        f"{kind.detector}: of the columns at {place_text(kind.site)} only "
        f"{kind.filled:.0%} were found"
        for kind in kinds
        if kind.filled < _WELL_FILLED
    ]
    return found


def detectors_differ(kinds: list[ColumnKind]) -> dict[str, list[float]]:
    """How differently two detectors see the columns of one site, pixels.

    "HAADF - ABF at (i, j)" -> root mean square over cells of the difference of their
    shifts along x and y, over sqrt(2): what neither detector's noise explains is an
    error all the same.
    """
    found = {}
    for number, one in enumerate(kinds):
        for other in kinds[number + 1 :]:
            apart = one.site - other.site
            apart -= np.round(apart)
            if one.detector == other.detector or np.hypot(*apart) > _SAME_SITE:
                continue
            nearest = np.round(one.site - other.site).astype(int)
            there = {
                tuple(c): s for c, s in zip(other.cells, other.shifts, strict=True)
            }
            both = [
                shift - there[key]
                for cell, shift in zip(one.cells, one.shifts, strict=True)
                if (key := tuple(cell + nearest)) in there
            ]
            if both:
                name = f"{one.detector} - {other.detector} at {place_text(one.site)}"
                rms = np.sqrt(np.mean(np.square(both), axis=0) / 2)
                found[name] = rms.tolist()
    return found


def per_pixel(pixel_a: float) -> tuple[float, str]:
    """What a pixel is in the unit that lengths are told in: pm, or itself."""
    return (100 * pixel_a, "pm") if pixel_a else (1.0, "px")


def place_text(site: np.ndarray) -> str:
    """A site in cells, as it is shown."""
    i, j = np.round(site, 2) + 0.0  # no minus before a zero
    return f"({i:.2f}, {j:.2f})"


def summarise(
    images: list[Micrograph],
    lattice: Lattice,
    kinds: list[ColumnKind],
    pixel_a: float,
    notes: list[str],
) -> dict[str, Any]:
    """What is said of an image as a whole; lengths in pm, or in pixels of no size."""
    scale, unit = per_pixel(pixel_a)
    return {
        "files": [found.name for found in images],
        "pixel_a": pixel_a,
        "vectors_px": lattice.vectors.tolist(),
        "columns_off_lattice_px": lattice.residual_px,
        "cells": list(lattice.counts),
        "warnings": notes,
        "unit": unit,
        "columns": [
            {
                "detector": kind.detector,
                "site": kind.site.round(4).tolist(),
                "number": len(kind.cells),
                "rms_shift": (scale * np.sqrt(np.mean(kind.shifts**2, 0))).tolist(),
                "noise_68": scale * float(np.median(kind.noise_px)),
                "filled": kind.filled,
            }
            for kind in kinds
        ],
        "detectors_differ": {
            name: [scale * v for v in rms]
            for name, rms in detectors_differ(kinds).items()
        },
    }


def write_columns(
    target: pathlib.Path, summary: dict[str, Any], kinds: list[ColumnKind]
) -> None:
    """Writes .json, and .csv with one line per column."""
    target.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")
    scale, unit = per_pixel(summary["pixel_a"])
    with target.with_suffix(".csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        names = (f"dx_{unit}", f"dy_{unit}", f"noise_{unit}")
        writer.writerow(["kind", "detector", "i", "j", "x_px", "y_px", *names])
        for number, kind in enumerate(kinds):
            columns = (kind.cells, kind.places, kind.shifts, kind.noise_px)
            for cell, place, shift, noise in zip(*columns, strict=True):
                lengths = (*place, *(scale * shift), scale * noise)
                numbers = [f"{v:.2f}" for v in lengths]
                writer.writerow([number, kind.detector, *cell, *numbers])


def column_table(summary: dict[str, Any]) -> str:
    """One line per kind of column, and per site that two detectors show."""
    unit = summary["unit"]
    head = f"{'columns at':>30s}{'number':>8s}{'rms x':>8s}{'rms y':>8s}{'noise':>8s}"
    lines = [f"{head}  [{unit}]"]
    for kind in summary["columns"]:
        name = f"{kind['detector']} {place_text(np.array(kind['site']))}"
        lengths = (*kind["rms_shift"], kind["noise_68"])
        numbers = "".join(f"{value:8.2f}" for value in lengths)
        lines.append(f"{name:>30s}{kind['number']:8d}{numbers}")
    for name, rms in summary["detectors_differ"].items():
        lines.append(f"{name:>30s}{'':8s}" + "".join(f"{v:8.2f}" for v in rms))
    return "\n".join(lines)
