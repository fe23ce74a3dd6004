"""Scores of predicted distortions on what is held out, beside two baselines."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.distortion import conformal, scores
from inverse.distortion.acquisition import as_input, presence
from inverse.distortion.baselines import fit_mean, fit_regression
from inverse.distortion.channels import Channels
from inverse.distortion.column_features import column_features
from inverse.distortion.conformal import Calibrated, Calibration
from inverse.distortion.pictures import crop_panels
from inverse.distortion.symmetric_prediction import averaged_over_symmetries
from inverse.factories import Network
from inverse.train_step import make_predict

VALIDATION = "validation"
# What the table shows: channels whose errors are pooled, in degrees and pm.
COLUMNS = {
    "tilt_z_in_phase_deg": ("tilt_repeating_z_P0_deg",),
    "tilt_z_out_deg": ("tilt_alternating_z_P0_deg",),
    "tilt_x_deg": ("tilt_alternating_x_P0_deg",),
    "tilt_y_deg": ("tilt_alternating_y_P0_deg",),
    "A_pm": ("shift_A_x_P0_pm", "shift_A_y_P0_pm"),
    "B_pm": ("shift_B_x_P0_pm", "shift_B_y_P0_pm"),
    "O_pm": ("shift_O_x_P0_pm", "shift_O_y_P0_pm"),
}


_LEGEND = """\
RMSE of depth means in degrees and pm; nll: minus log likelihood; inside: share of
truths within intervals of 68 and 95 %. validation: new crystals of the trained
compounds; materials: other compounds; settings: the trained ones in other foci.
columns: their places, regressed on validation."""


class HeldOut(NamedTuple):
    """Records of one split.

    Attributes:
      images: [n, y, x, 3].
      targets: maps of quarters of cells or of pixels [n, i, j, channel], network's
        units; of crops [n, output] or classes [n].
      side_a: of the images [n], A.
      oxide: index among the split's compounds [n].
      defocus_a: of the probe [n], A.
    """

    images: np.ndarray
    targets: np.ndarray
    side_a: np.ndarray
    oxide: np.ndarray
    defocus_a: np.ndarray


class Prediction(NamedTuple):
    """Of every octahedron and A, as the network says, in degrees and pm.

    Attributes:
      mean: [n, i, j, channel].
      log_variance: of it [n, i, j, channel].
    """

    mean: np.ndarray
    log_variance: np.ndarray


class Evaluator:
    """Holds records and the baselines' predictions; `run` scores a state."""

    def __init__(
        self,
        network: Network,
        splits: dict[str, HeldOut],
        *,
        channels: Channels,
        pixels_per_cell: int,
        map_pixels_per_cell: int,
        detector_sets: tuple[str, ...],
        batch_size: int,
    ):
        """Fits the baselines.

        Args:
          network: what predicts.
          splits: name -> records; on "validation" spreads are calibrated.
          channels: what is predicted.
          pixels_per_cell: of the images.
          map_pixels_per_cell: of targets and predictions.
          detector_sets: what the network is shown; the last one is scored as
            "network", the others by their names too.
          batch_size: images that are predicted at a time.
        """
        self.channels, self.splits = channels, splits
        self.detector_sets, self._batch_size = detector_sets, batch_size
        predict, scale = make_predict(network), channels.scale

        def at_cells(params, batch_stats, images, present):
            there = jnp.broadcast_to(present[None], (len(images), 3))

            def maps_of(turned):
                seen = as_input(turned, there, pixels_per_cell)
                return predict(params, batch_stats, seen)

            maps = averaged_over_symmetries(maps_of, channels)(images)
            mean, log_variance = (
                channels.at_cells(m, map_pixels_per_cell) for m in maps
            )
            factor = scale.reshape(1, 1, 1, -1)
            return mean * factor, log_variance + 2 * jnp.log(factor)

        self._predict: Callable = jax.jit(at_cells)
        self.truth = {
            name: np.asarray(channels.at_cells(held.targets, map_pixels_per_cell))
            * scale.reshape(1, 1, 1, -1)
            for name, held in splits.items()
        }
        self._mean = fit_mean(self.truth[VALIDATION])

    @functools.cached_property
    def _of_columns(self) -> dict[tuple[str, str], np.ndarray]:
        """What columns tell by split and detectors, regressed on validation.

        Once asked for: who predicts a measured image does not wait for it.
        """
        found = {}
        for names in self.detector_sets:
            features = {split: self._features(split, names) for split in self.splits}
            known = fit_regression(features[VALIDATION], self.truth[VALIDATION])
            for split in self.splits:
                found[split, names] = known.apply(features[split])
        return found

    def _features(self, split: str, names: str) -> np.ndarray:
        held, truth = self.splits[split], self.truth[split]
        return column_features(
            held.images,
            presence(names),
            held.side_a,
            self.channels.names,
            (truth.shape[2], truth.shape[1]),
        )

    def predict(self, params: Any, batch_stats: Any, images, names: str) -> Prediction:
        """Predicts of images [n, y, x, 3], of which those in `names` are shown."""
        size, parts = min(self._batch_size, len(images)), []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            padded = np.pad(part, [(0, size - len(part)), (0, 0), (0, 0), (0, 0)])
            found = jax.device_get(
                self._predict(params, batch_stats, padded, presence(names))
            )
            parts.append([values[: len(part)] for values in found])
        return Prediction(*(np.concatenate(p) for p in zip(*parts, strict=True)))

    def on_validation(
        self, params: Any, batch_stats: Any, names: str
    ) -> tuple[Calibration, np.ndarray]:
        """What the detectors in `names` tell of new crystals of trained compounds.

        Returns:
          factors of the network's bars; RMSE over that of the mean [channel]: a target
          where it is near 1 is not seen.
        """
        held, truth = self.splits[VALIDATION], self.truth[VALIDATION]
        found = self.predict(params, batch_stats, held.images, names)
        error = found.mean - truth
        blind = scores.rmse(np.asarray(self._mean.mean) - truth)
        share = scores.rmse(error) / np.maximum(blind, 1e-9)
        alike = self.channels.alike
        return conformal.calibrate(error, found.log_variance, alike), share

    def predictions(self, params: Any, batch_stats: Any) -> dict[str, Calibrated]:
        """ "SPLIT/METHOD" -> prediction with error bars, of baselines too."""
        mean = np.asarray(self._mean.mean)
        raw = {
            (split, "mean"): Prediction(np.broadcast_to(mean, truth.shape), 0 * truth)
            for split, truth in self.truth.items()
        }
        for split, held in self.splits.items():
            for names in self.detector_sets:
                told = self._of_columns[split, names]
                raw[split, self._label("columns", names)] = Prediction(
                    told, np.zeros_like(told)
                )
                made = self.predict(params, batch_stats, held.images, names)
                raw[split, self._label("network", names)] = made
        factors = {
            method: conformal.calibrate(
                made.mean - self.truth[VALIDATION],
                made.log_variance,
                self.channels.alike,
            )
            for (split, method), made in raw.items()
            if split == VALIDATION
        }
        return {
            f"{split}/{method}": conformal.apply(factors[method], *made)
            for (split, method), made in raw.items()
        }

    def _label(self, method: str, names: str) -> str:
        return method if names == self.detector_sets[-1] else f"{method} of {names}"

    def run(self, params: Any, batch_stats: Any) -> dict[str, float]:
        """Returns {"SPLIT/METHOD/SCORE": value}, degrees and pm."""
        found = {}
        for who, made in self.predictions(params, batch_stats).items():
            truth = self.truth[who.split("/")[0]]
            for name, value in self._scores(made, truth).items():
                found[f"{who}/{name}"] = value
        return found

    def _scores(self, made: Calibrated, truth: np.ndarray) -> dict[str, float]:
        error, scale = made.mean - truth, self.channels.scale.reshape(1, 1, 1, -1)
        in_units = made.log_variance - 2 * np.log(scale)
        found = {"nll": scores.nll(error / scale, in_units)}
        names = list(self.channels.names)
        rmse = scores.rmse(error)
        for column, members in COLUMNS.items():
            chosen = rmse[[names.index(name) for name in members]]
            found[column] = float(np.sqrt(np.mean(chosen**2)))
        hits = conformal.inside(made, truth)
        for probability, hit in zip(conformal.PROBABILITIES, hits, strict=True):
            found[f"inside_{100 * probability:.0f}"] = float(hit.mean())
        return found

    def table(self, scores: dict[str, float]) -> str:
        """Lays scores out, one line per split and method, and says what they are."""
        rows = {}
        for name, value in scores.items():
            who, score = name.rsplit("/", 1)
            rows.setdefault(who, {})[score] = value
        columns = list(next(iter(rows.values())))
        width = max(map(len, rows)) + 1
        sizes = {name: max(len(name), 7) + 2 for name in columns}
        lines = [" " * width + "".join(f"{n:>{size}s}" for n, size in sizes.items())]
        for who, values in rows.items():
            cells = "".join(f"{values[n]:{size}.3f}" for n, size in sizes.items())
            lines.append(f"{who:{width}s}{cells}")
        return "\n".join([*lines, _LEGEND])

    def panels(self, params: Any, batch_stats: Any, split: str, num: int) -> np.ndarray:
        """Draws the first `num` records of a split, uint8 [y, x, 3]."""
        held, names = self.splits[split], self.detector_sets[-1]
        made = self.predict(params, batch_stats, held.images[:num], names)
        return crop_panels(
            held.images[:num],
            held.side_a[:num],
            self.truth[split][:num],
            made.mean,
            self.channels.names,
        )
