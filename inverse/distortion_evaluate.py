"""Scores of predicted distortions on what is held out, beside two baselines."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse import distortion_scores
from inverse.acquisition import as_input, presence
from inverse.distortion_baselines import fit_mean, fitted_channels
from inverse.distortion_channels import Channels
from inverse.distortion_pictures import crop_panels
from inverse.factories import Network
from inverse.gaussian_loss import coverage
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


class HeldOut(NamedTuple):
    """Records of one split.

    Attributes:
      images: [n, y, x, 3].
      targets: [n, y, x, channel], network's units.
      side_a: of the images [n], A.
      oxide: index among the split's compounds [n].
    """

    images: np.ndarray
    targets: np.ndarray
    side_a: np.ndarray
    oxide: np.ndarray


class Prediction(NamedTuple):
    """Of every octahedron and A, in degrees and pm.

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
        detector_sets: tuple[str, ...],
        batch_size: int,
    ):
        """Fits the baselines.

        Args:
          network: what predicts.
          splits: name -> records; on "validation" spreads are calibrated.
          channels: what is predicted.
          pixels_per_cell: of the images.
          detector_sets: what the network is shown; the last one is scored as
            "network", the others by their names too.
          batch_size: images that are predicted at a time.
        """
        self.channels, self.splits = channels, splits
        self.detector_sets, self._batch_size = detector_sets, batch_size
        self._pixels_per_cell = pixels_per_cell
        predict, scale = make_predict(network), channels.scale

        def at_cells(params, batch_stats, images, present):
            there = jnp.broadcast_to(present[None], (len(images), 3))
            maps = predict(
                params, batch_stats, as_input(images, there, pixels_per_cell)
            )
            mean, log_variance = (channels.at_cells(m, pixels_per_cell) for m in maps)
            factor = scale.reshape(1, 1, 1, -1)
            return mean * factor, log_variance + 2 * jnp.log(factor)

        self._predict: Callable = jax.jit(at_cells)
        self.truth = {
            name: np.asarray(channels.at_cells(held.targets, pixels_per_cell))
            * scale.reshape(1, 1, 1, -1)
            for name, held in splits.items()
        }
        self._mean = fit_mean(self.truth[VALIDATION])
        self._fitted = {
            (split, names): self._fit(split, names)
            for split in splits
            for names in detector_sets
        }

    def _fit(self, split: str, names: str) -> np.ndarray:
        held, truth = self.splits[split], self.truth[split]
        return fitted_channels(
            held.images,
            presence(names),
            held.side_a,
            self.channels.names,
            np.asarray(self._mean.mean),
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

    def calibration(self, params: Any, batch_stats: Any, names: str) -> np.ndarray:
        """Factors of the spreads [channel]: new crystals of the trained compounds."""
        held = self.splits[VALIDATION]
        found = self.predict(params, batch_stats, held.images, names)
        error = found.mean - self.truth[VALIDATION]
        return distortion_scores.spread_factor(error, found.log_variance)

    def predictions(self, params: Any, batch_stats: Any) -> dict[str, Prediction]:
        """ "SPLIT/METHOD" -> calibrated prediction, of baselines too."""
        found = {}
        for names in self.detector_sets:
            factor = self.calibration(params, batch_stats, names)
            wider = 2 * np.log(np.maximum(factor, 1e-6)).astype(np.float32)
            for split, held in self.splits.items():
                made = self.predict(params, batch_stats, held.images, names)
                made = made._replace(log_variance=made.log_variance + wider)
                found[f"{split}/{self._label('network', names)}"] = made
        for split, truth in self.truth.items():
            mean, spread = (np.broadcast_to(x, truth.shape) for x in self._mean)
            found[f"{split}/mean"] = Prediction(mean, spread)
            for names in self.detector_sets:
                fitted = self._fitted[split, names]
                error = self._fitted[VALIDATION, names] - self.truth[VALIDATION]
                spread = 2 * np.log(np.maximum(distortion_scores.rmse(error), 1e-6))
                found[f"{split}/{self._label('peak fit', names)}"] = Prediction(
                    fitted, np.broadcast_to(spread, truth.shape).astype(np.float32)
                )
        return found

    def _label(self, method: str, names: str) -> str:
        return method if names == self.detector_sets[-1] else f"{method} of {names}"

    def run(self, params: Any, batch_stats: Any) -> dict[str, float]:
        """Returns {"SPLIT/METHOD/SCORE": value}, degrees and pm."""
        scores = {}
        for who, made in self.predictions(params, batch_stats).items():
            truth = self.truth[who.split("/")[0]]
            for name, value in self._scores(made, truth).items():
                scores[f"{who}/{name}"] = value
        return scores

    def _scores(self, made: Prediction, truth: np.ndarray) -> dict[str, float]:
        error, scale = made.mean - truth, self.channels.scale.reshape(1, 1, 1, -1)
        in_units = made.log_variance - 2 * np.log(scale)
        scores = {"nll": distortion_scores.nll(error / scale, in_units)}
        names = list(self.channels.names)
        rmse = distortion_scores.rmse(error)
        for column, members in COLUMNS.items():
            chosen = rmse[[names.index(name) for name in members]]
            scores[column] = float(np.sqrt(np.mean(chosen**2)))
        for probability in (0.68, 0.95):
            share = coverage(made.mean, made.log_variance, truth, probability)
            scores[f"inside_{100 * probability:.0f}"] = float(share.mean())
        return scores

    def table(self, scores: dict[str, float]) -> str:
        """Lays scores out, one line per split and method."""
        rows = {}
        for name, value in scores.items():
            who, score = name.rsplit("/", 1)
            rows.setdefault(who, {})[score] = value
        columns = list(next(iter(rows.values())))
        width = max(map(len, rows)) + 1
        lines = [" " * width + "".join(f"{name[:12]:>13s}" for name in columns)]
        for who, values in rows.items():
            cells = "".join(f"{values[name]:13.3f}" for name in columns)
            lines.append(f"{who:{width}s}{cells}")
        return "\n".join(lines)

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
