"""From a measured micrograph to maps of distortions with error bars."""

import datetime
import json
import pathlib

import numpy as np

from inverse.check_config import check_config
from inverse.config_fields import refuse
from inverse.distortion import conformal, data, factories
from inverse.distortion.cell_table import write_cells
from inverse.distortion.conformal import Calibrated
from inverse.distortion.corner import Ring, clearest, on_a
from inverse.distortion.evaluate import VALIDATION, Evaluator
from inverse.distortion.image_statistics import image_statistics, outside
from inverse.distortion.mean_distortions import average_cells, mean_table
from inverse.distortion.pictures import measured_maps
from inverse.distortion.structure import odd_size, remove_structure, write_structure
from inverse.errors import ConfigError, OtherZoneAxis
from inverse.inference import open_checkpoint
from inverse.micrograph.column_predict import predict_columns
from inverse.micrograph.files import Micrograph, read_micrograph
from inverse.micrograph.lattice_fit import Lattice, fit_lattice, resample
from inverse.simulator.crystal_images import IMAGES
from inverse.simulator.oxides import load_oxides
from parallel.metric_writers import save_png
from parallel.run_log import log
from parallel.workdir import make_workdir

# By which a microscope's pixel is let be wrong, of itself.
_PIXEL_ERROR = 0.03
# What an image is taken for where config.prediction.detectors does not say.
_USUAL = "HAADF"


def read_images(config, files: str) -> tuple[list[Micrograph], list[str], float]:
    """Opens files joined by commas: images, the detector of each, A per pixel."""
    paths = [path.strip() for path in files.split(",")]
    detectors = (config.prediction.detectors or _USUAL).split("+")
    for name in detectors:
        if name not in IMAGES:
            refuse("prediction.detectors", config.prediction.detectors, _meant(name))
    if not len(paths) == len(detectors) == len(set(detectors)):
        raise ConfigError(
            f"config.prediction.detectors={config.prediction.detectors!r}: must name "
            f"the detector of each of {len(paths)} files, each once, any of "
            f"{', '.join(IMAGES)}, joined by +."
        )
    images = [read_micrograph(*each) for each in zip(paths, detectors, strict=True)]
    if len({found.image.shape for found in images}) > 1:
        shapes = ", ".join(str(found.image.shape) for found in images)
        raise ConfigError(f"--input: images recorded at once differ in size: {shapes}.")
    pixel_a = config.prediction.pixel_a or max(found.pixel_a for found in images)
    return images, detectors, pixel_a


def _meant(name: str) -> str:
    """What to write instead of a detector that is not known."""
    alike = [known for known in IMAGES if known.lower() == name.strip().lower()]
    alike = alike or (["HAADF"] if name.strip().upper() in ("ADF", "DF") else [])
    hint = f"did you mean {alike[0]!r}? " if alike else ""
    return f"{hint}{name!r} is none of {', '.join(IMAGES)}"


def images_on_cells(
    config, images: list[Micrograph], detectors: list[str], pixel_a: float
) -> tuple[np.ndarray, Lattice, list[str]]:
    """Images [y, x, 3] on whole cells, their lattice, what is uncertain about it.

    Raises:
      ConfigError: no lattice is seen, or one of another zone axis.
    """
    reference, dataset = clearest(detectors), config.dataset
    lattice = fit_lattice(
        images[detectors.index(reference)].image, pixel_a, dark=reference == "ABF"
    )
    oxide = None
    if config.prediction.oxide:
        (oxide,) = load_oxides((config.prediction.oxide,))
    ring = Ring(dataset.energy_ev, *dataset.haadf_mrad)
    lattice, notes = on_a(lattice, reference, oxide, ring)
    shape = [n * dataset.pixels_per_cell for n in lattice.counts[::-1]]
    stack = np.zeros((*shape, len(IMAGES)), np.float32)
    for found, name in zip(images, detectors, strict=True):
        on_cells = resample(found.image, lattice, dataset.pixels_per_cell)
        stack[..., IMAGES.index(name)] = on_cells
    if oxide and pixel_a:
        notes += odd_size(oxide, lattice.spacing_px * pixel_a)
    return stack, lattice, notes + lattice.looseness()


def warnings_of(
    config, stack: np.ndarray, detectors: list[str], cell_a: float, evaluator: Evaluator
) -> list[str]:
    """What of the image the network has not been trained on."""
    found = []
    sides = [oxide.pseudo_cubic_a for oxide in load_oxides()]
    if not cell_a:
        found.append(
            "the size of a pixel is not known, so the cell cannot be checked: set "
            "config.prediction.pixel_a"
        )
    elif not (1 - _PIXEL_ERROR) * min(sides) < cell_a < (1 + _PIXEL_ERROR) * max(sides):
        found.append(
            f"the cell has {cell_a:.3f} A, those of the training "
            f"{min(sides):.2f} to {max(sides):.2f} A, {_PIXEL_ERROR:.0%} for the pixel "
            "let pass: check config.prediction.pixel_a"
        )
    if not config.prediction.detectors:
        found.append(
            f"config.prediction.detectors does not say which detector: taken for "
            f"{_USUAL}"
        )
    names = "+".join(name for name in IMAGES if name in detectors)
    if names not in config.dataset.detector_sets:
        found.append(f"{names} alone was not among the training's detectors")
    usual = evaluator.splits[VALIDATION].images
    shape = config.dataset.pixels_per_cell, config.dataset.cells
    for name in detectors:
        channel = IMAGES.index(name)
        here = image_statistics(stack[..., channel], *shape)
        there = [image_statistics(x[..., channel], *shape) for x in usual]
        found += [f"{name}: {text}" for text in outside(here, there)]
    return found


def _rim(config, counts: tuple[int, int]) -> int:
    """Cells at the rim that the network judges by what lies at the opposite one."""
    # Each block looks a cell further, and a cell's patch reaches into its neighbours.
    rim = config.model.num_blocks + 1 if config.model.form == "cells" else 1
    if min(counts) <= 2 * rim:
        raise ConfigError(
            f"--input: the image holds {counts[0]} x {counts[1]} whole cells; the "
            f"network needs more than {2 * rim} in each direction."
        )
    return rim


def _target(folder: pathlib.Path, images: list[Micrograph]) -> pathlib.Path:
    names = dict.fromkeys(found.name for found in images)  # one file may hold several
    return folder / f"prediction-{'+'.join(names)}.json"


def _pixel_from(config, pixel_a: float) -> str | None:
    if config.prediction.pixel_a:
        return "config.prediction.pixel_a"
    return "the file" if pixel_a else None


def predict(config, workdir: str, which: str, files: str) -> pathlib.Path:
    """Writes prediction-NAME.csv, .json and .png into `workdir`; returns the second.

    NAME is that of all files, joined by +. With config.prediction.oxide, also .cif and
    .xyz of the mean structure; without, those of an earlier call are removed, because
    they are of other numbers. Of a
    crystal that is not seen along [001], which the network does not know, they hold
    the places of its columns.

    Args:
      config: the configuration that was trained with.
      workdir: of the run.
      which: checkpoint, "best" or "latest".
      files: of the image, or of several recorded at once, joined by commas.
    """
    _check(config)
    images, detectors, pixel_a = read_images(config, files)
    if config.prediction.oxide and not pixel_a:
        raise ConfigError(
            f"config.prediction.oxide={config.prediction.oxide!r}: atoms need a size, "
            "and the file says none; set config.prediction.pixel_a."
        )
    path = pathlib.Path(workdir).expanduser()
    try:
        stack, lattice, uncertain = images_on_cells(config, images, detectors, pixel_a)
    except OtherZoneAxis as error:
        target = _target(make_workdir(workdir), images)
        remove_structure(target)
        predict_columns(config, target, images, detectors, pixel_a, str(error))
        return target
    rim = _rim(config, lattice.counts)
    trained = open_checkpoint(config, workdir, which)
    source = data.open_source(config)._replace(held_out=(VALIDATION,))
    evaluator = data.make_evaluator(config, trained.setup, source, path)
    cell_a = lattice.spacing_px * pixel_a
    notes = warnings_of(config, stack, detectors, cell_a, evaluator) + uncertain
    names = "+".join(name for name in IMAGES if name in detectors)
    made, error_of_mean = _predicted(evaluator, trained.state, stack, names, rim)
    channels = factories.make_channels(config).names
    summary = {
        "date": datetime.date.today().isoformat(),
        "files": [found.name for found in images],
        "detectors": names,
        "checkpoint": which,
        "step": trained.step,
        "oxide": config.prediction.oxide or None,
        "pixel_a": pixel_a or None,
        "pixel_from": _pixel_from(config, pixel_a),
        "cell_px": lattice.spacing_px,
        "cell_a": cell_a or None,
        "cells": list(lattice.counts),
        "columns_off_lattice_px": lattice.residual_px,
        "rim_cells": rim,
        "warnings": notes,
        "mean": average_cells(made, channels, error_of_mean),
    }
    target = _target(path, images)
    shown = stack[..., IMAGES.index(clearest(detectors))]
    _write(target, summary, made, lattice, shown)
    return target


def _check(config) -> None:
    if config.model.kind != "map":
        raise ConfigError(
            f"config.model.kind={config.model.kind!r}: only maps are predicted of "
            "measured images; train another variant."
        )
    check_config(config)


def _predicted(
    evaluator: Evaluator, state, stack: np.ndarray, names: str, rim: int
) -> tuple[Calibrated, np.ndarray]:
    """What the network says of the inner cells, and its errors over the mean's."""
    averaged = (state.ema, state.batch_stats)
    made = evaluator.predict(*averaged, stack[None], names)
    factors, error_of_mean = evaluator.on_validation(*averaged, names)
    inner = np.s_[0, rim:-rim, rim:-rim]
    return (
        conformal.apply(factors, made.mean[inner], made.log_variance[inner]),
        error_of_mean,
    )


def _write(
    target: pathlib.Path,
    summary: dict,
    made: Calibrated,
    lattice: Lattice,
    shown: np.ndarray,
) -> None:
    """Writes everything beside `target`, and tells what is to be taken with care."""
    target.write_text(json.dumps(summary, indent=1) + "\n")
    seen = {name: values["seen"] for name, values in summary["mean"].items()}
    rim, notes = summary["rim_cells"], summary["warnings"]
    write_cells(target.with_suffix(".csv"), made, lattice, seen, rim)
    structures = write_structure(target, summary["oxide"] or "", summary)
    side, units = summary["cell_a"], "A"
    if side is None:
        side, units = summary["cell_px"], "pixels"
    picture = measured_maps(
        shown, side, made, seen, rim, summary["detectors"], notes, units
    )
    save_png(target.with_suffix(".png"), picture)
    for note in notes:
        log.warning("with care: %s", note)
    others = ", ".join([".json", *structures])
    print(f"{target.with_suffix('.csv')}, {others} and .png")
    print(mean_table(summary["mean"]))
