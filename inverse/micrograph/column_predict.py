"""From a measured micrograph of any zone axis to maps of its columns."""

import pathlib

from inverse.micrograph.column_map import (
    column_table,
    map_columns,
    summarise,
    warnings_of,
    write_columns,
)
from inverse.micrograph.column_pictures import column_maps
from inverse.micrograph.files import Micrograph
from parallel.metric_writers import save_png
from parallel.run_log import log


def predict_columns(
    config,
    target: pathlib.Path,
    images: list[Micrograph],
    detectors: list[str],
    pixel_a: float,
    why: str,
) -> None:
    """Writes what needs no network: places of columns, by Gaussian fits.

    Args:
      config: the configuration of the network that was asked for.
      target: the .json to write; .csv and .png stand beside it.
      images: recorded at once.
      detectors: of each.
      pixel_a: size of a pixel; 0 where it is not known.
      why: the network cannot tell more.
    """
    pictures = [found.image for found in images]
    lattice, kinds = map_columns(pictures, detectors)
    why = why.removeprefix("--input: ").rstrip(".")
    notes = [f"{why}; the network knows nothing else: columns are fitted, no tilts"]
    if not pixel_a:
        notes.append("the size of a pixel is not known: set config.prediction.pixel_a")
    if config.prediction.oxide:
        notes.append("no structure is written: it would need the cell along [001]")
    notes += warnings_of(lattice, kinds, detectors)
    summary = summarise(images, lattice, kinds, pixel_a, notes)
    write_columns(target, summary, kinds)
    shown = dict(zip(detectors, pictures, strict=True))
    save_png(target.with_suffix(".png"), column_maps(shown, kinds, pixel_a, notes))
    for note in notes:
        log.warning("with care: %s", note)
    print(f"{target.with_suffix('.csv')}, .json and .png")
    print(column_table(summary))
