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

from inverse.column_fit import fit_columns
from inverse.lattice_fit import Lattice, refined_lattice
from inverse.micrograph_files import Micrograph
from inverse.motif import Site, find_sites, shortest_reciprocal_vectors

_LEAST_RADIUS_PX = 3
# A fit that ends further than this from where it began, of the radius, is none.
_FARTHEST = 0.8


class ColumnKind(NamedTuple):
    """The columns at one place of every cell, seen by one detector.

    Attributes:
      detector: that shows them.
      site: their mean place in the cell [(i, j)], cells.
      cells: of each column [n, (i, j)].
      places: of each [n, (x, y)], pixels.
      shifts: of each from the mean place of its kind [n, (x, y)], pixels.
      error_px: standard error of a place along one direction, median over columns.
    """

    detector: str
    site: np.ndarray
    cells: np.ndarray
    places: np.ndarray
    shifts: np.ndarray
    error_px: float


def fit_kind(
    image: np.ndarray, detector: str, lattice: Lattice, site: Site
) -> ColumnKind:
    """Fits one kind of column in every whole cell.

    The error is that of a Gaussian's place in white noise, sqrt(2 / pi) pixels times
    noise over height (Condon, PASP 109, 166, 1997); what is left of the fit counts as
    noise.
    """
    span = [np.arange(n) for n in lattice.counts]
    cells = np.stack(np.meshgrid(*span), axis=-1).reshape(-1, 2)
    guess = lattice.places(cells + site.place)
    radius = max(int(site.radius_px), _LEAST_RADIUS_PX)
    size = np.array(image.shape[::-1])
    inside = np.all((guess > radius) & (guess < size - radius), axis=1)
    cells, guess = cells[inside], guess[inside]
    found = fit_columns(
        jnp.asarray(image),
        jnp.asarray(guess, jnp.float32),
        1.0,
        radius_pixels=radius,
        start_width=radius / 2,
    )
    shifts = np.asarray(found.positions) - guess
    near = np.linalg.norm(shifts, axis=1) < _FARTHEST * radius
    mean = np.median(shifts[near], axis=0)
    height = np.maximum(np.abs(found.amplitude[near]), 1e-12)
    error = np.sqrt(2 / np.pi) * np.asarray(found.residual[near]) / height
    return ColumnKind(
        detector,
        np.mod(site.place + np.linalg.solve(lattice.vectors.T, mean), 1),
        cells[near],
        np.asarray(found.positions)[near],
        shifts[near] - mean,
        float(np.median(error)),
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
    kinds = [
        fit_kind(image, name, lattice, site)
        for image, name, is_dark in zip(images, detectors, dark, strict=True)
        for site in find_sites(image, lattice, dark=is_dark)
    ]
    return lattice, kinds


def summarise(
    images: list[Micrograph],
    lattice: Lattice,
    kinds: list[ColumnKind],
    pixel_a: float,
    notes: list[str],
) -> dict[str, Any]:
    """What is said of an image as a whole; lengths in pm, or in pixels of no size."""
    scale, unit = (100 * pixel_a, "pm") if pixel_a else (1.0, "px")
    return {
        "files": [found.name for found in images],
        "pixel_a": pixel_a,
        "vectors_px": lattice.vectors.tolist(),
        "cells": list(lattice.counts),
        "warnings": notes,
        "unit": unit,
        "columns": [
            {
                "detector": kind.detector,
                "site": kind.site.round(4).tolist(),
                "number": len(kind.cells),
                "rms_shift": (scale * np.sqrt(np.mean(kind.shifts**2, 0))).tolist(),
                "error_68": scale * kind.error_px,
            }
            for kind in kinds
        ],
    }


def write_columns(
    target: pathlib.Path, summary: dict[str, Any], kinds: list[ColumnKind]
) -> None:
    """Writes .json, and .csv with one line per column."""
    target.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")
    unit = summary["unit"]
    scale = 100 * summary["pixel_a"] if unit == "pm" else 1.0
    with target.with_suffix(".csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        names = (f"dx_{unit}", f"dy_{unit}", f"error_{unit}")
        writer.writerow(["kind", "detector", "i", "j", "x_px", "y_px", *names])
        for number, kind in enumerate(kinds):
            for cell, place, shift in zip(
                kind.cells, kind.places, scale * kind.shifts, strict=True
            ):
                numbers = [f"{v:.2f}" for v in (*place, *shift, scale * kind.error_px)]
                writer.writerow([number, kind.detector, *cell, *numbers])


def column_table(summary: dict[str, Any]) -> str:
    """One line per kind of column."""
    unit = summary["unit"]
    head = (
        f"{'column at':>26s}{'number':>8s}{'rms x':>9s}{'rms y':>9s}{'+- (68 %)':>11s}"
    )
    lines = [f"{head}  [{unit}]"]
    for kind in summary["columns"]:
        site = ", ".join(f"{v:.3f}" for v in kind["site"])
        numbers = "".join(f"{value:9.2f}" for value in kind["rms_shift"])
        name = f"{kind['detector']} ({site})"
        lines.append(f"{name:>26s}{kind['number']:8d}{numbers}{kind['error_68']:11.2f}")
    return "\n".join(lines)
