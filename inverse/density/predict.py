"""From a measured scan to a density map, with a trained network."""

import itertools
import pathlib

import numpy as np

from inverse.density import data, factories
from inverse.density.evaluate import Evaluator
from inverse.density.tiles import Blend, num_positions, tiles
from inverse.errors import ConfigError
from inverse.inference import open_checkpoint
from inverse.scan.files import read_scan
from inverse.scan.measured import MeasuredScan, outside_training
from inverse.scan.pictures import save_image
from parallel.run_log import log


def mean_counts(measured: MeasuredScan) -> float:
    """Mean counts of a pattern, over all positions, a row at a time."""
    rows = range(measured.size("y"))
    sums = [
        measured.part(slice(row, row + 1), slice(None)).sum(dtype=np.float64)
        for row in rows
    ]
    return float(np.sum(sums)) / (measured.size("y") * measured.size("x"))


def _gain(config, measured: MeasuredScan) -> float:
    """From counts of a pixel to the unit that the network was trained on."""
    pixels = config.model.image_size**2
    if measured.electrons is not None:
        return pixels / measured.electrons
    total = mean_counts(measured)
    if not total > 0:
        raise ConfigError("--input: the patterns add up to nothing.")
    return pixels * config.dataset.pattern_mean / total


def predict_map(
    config, evaluator: Evaluator, params, batch_stats, measured: MeasuredScan, scan
) -> np.ndarray:
    """Predicts the density [y, x] in V Å of a whole scan, tile by tile.

    Args:
      config: of the network.
      evaluator: what predicts.
      params: of the network.
      batch_stats: of the network.
      measured: the scan.
      scan: geometry that the network was trained on.
    """
    gain, size = _gain(config, measured), config.model.image_size
    blend = Blend(num_positions(measured, scan), size // scan.positions[0], size)
    found = tiles(measured, scan, size)
    while part := list(itertools.islice(found, evaluator.batch_size)):
        patterns = gain * np.stack([counts for _, _, counts in part])
        maps = evaluator.predict(params, batch_stats, patterns)
        for (row, column, _), tile in zip(part, maps, strict=True):
            blend.add(tile, row, column)
    return blend.map()


def predict(config, workdir: str, which: str, file: str) -> pathlib.Path:
    """Writes prediction-NAME.npz and .png into `workdir`; returns the former.

    The npz holds `density_va` [y, x] in V Å, `pixel_a` in Å (pixel (0, 0) lies at the
    first probe position) and `warnings`, what the network was not trained on.

    Args:
      config: the configuration that was trained with.
      workdir: of the run.
      which: checkpoint, "best" or "latest".
      file: the scan, see scan_files.
    """
    measured = read_scan(file)
    trained = open_checkpoint(config, workdir, which)
    scan = data.open_source(config).scan
    warnings = outside_training(config, measured, scan.angle_mrad)
    for warning in warnings:
        log.warning("outside the training: %s", warning)
    evaluator = Evaluator(
        trained.setup.network,
        factories.make_normalisation(config, scan),
        scan,
        {},
        batch_size=config.per_device_batch_size,
    )
    state = trained.state
    density = predict_map(
        config, evaluator, state.ema, state.batch_stats, measured, scan
    )
    name = pathlib.Path(file).stem
    path = pathlib.Path(workdir).expanduser() / f"prediction-{name}.npz"
    np.savez(
        path,
        density_va=density,
        pixel_a=scan.pixel_a,
        step=trained.step,
        warnings=np.array(warnings, str),
    )
    save_image(
        *(path.with_suffix(".png"), density, 2 * (scan.pixel_a,), "A"),
        "projected potential [V A]",
        notes=[f"outside the training: {warning}" for warning in warnings],
        colours="viridis",
    )
    print(
        f"{density.shape[0]} x {density.shape[1]} pixels of {scan.pixel_a:g} Å: {path}"
    )
    return path
