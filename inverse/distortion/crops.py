"""Scores of the published form: one answer per crop, angles or classes of signs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inverse.distortion.acquisition import as_input, presence
from inverse.distortion.evaluate import VALIDATION, HeldOut
from inverse.distortion.pictures import answer_panels
from inverse.factories import Network
from inverse.train_step import make_predict


class CropEvaluator:
    """Holds records; `run` scores a state beside what needs no image."""

    def __init__(
        self,
        network: Network,
        splits: dict[str, HeldOut],
        *,
        kind: str,
        scale_deg: float,
        pixels_per_cell: int,
        detectors: str,
        batch_size: int,
    ):
        """Prepares the prediction.

        Args:
          network: what predicts.
          splits: name -> records; "validation" has the trained compounds.
          kind: "angles" or "classes".
          scale_deg: 1 of the network's units.
          pixels_per_cell: of the images.
          detectors: what it is shown.
          batch_size: images that are predicted at a time.
        """
        self._splits, self._kind, self._scale = splits, kind, scale_deg
        self._batch_size = batch_size
        predict, present = make_predict(network), presence(detectors)

        def answer(params, batch_stats, images):
            there = jnp.broadcast_to(present[None], (len(images), 3))
            return predict(
                params, batch_stats, as_input(images, there, pixels_per_cell)
            )

        self._answer: Callable = jax.jit(answer)

    def predict(self, params: Any, batch_stats: Any, images: np.ndarray) -> np.ndarray:
        """Answers [n, output]: signed angles in degrees, or logits."""
        size, parts = self._batch_size, []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            padded = np.pad(part, [(0, size - len(part)), (0, 0), (0, 0), (0, 0)])
            found = jax.device_get(self._answer(params, batch_stats, padded))
            parts.append(found[: len(part)])
        found = np.concatenate(parts)
        return found * self._scale if self._kind == "angles" else found

    def run(self, params: Any, batch_stats: Any) -> dict[str, float]:
        """Returns {"SPLIT/METHOD/SCORE": value}."""
        scores, usual = {}, self._splits[VALIDATION].targets
        for split, held in self._splits.items():
            made = self.predict(params, batch_stats, held.images)
            if self._kind == "angles":
                truth = held.targets * self._scale
                blind = np.broadcast_to(usual.mean(axis=0) * self._scale, truth.shape)
            else:
                truth = held.targets
                blind = np.bincount(usual, minlength=made.shape[-1])
                blind = np.broadcast_to(blind, made.shape)
            for method, answers in (("network", made), ("without image", blind)):
                for name, value in self._scores(answers, truth).items():
                    scores[f"{split}/{method}/{name}"] = value
        return scores

    def _scores(self, answers: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        if self._kind == "angles":
            squares = np.mean((answers - truth) ** 2, axis=0)
            each = {
                f"angle_{axis}_deg": float(np.sqrt(square))
                for axis, square in zip("xyz", squares, strict=True)
            }
            return {"angle_deg": float(np.sqrt(squares.mean())), **each}
        guess = answers.argmax(axis=-1)
        digits = [np.stack([c // 9, c // 3 % 3, c % 3], -1) for c in (guess, truth)]
        right = np.mean(digits[0] == digits[1], axis=0)
        return {
            "accuracy": float(np.mean(guess == truth)),
            **{f"sign_{a}": float(r) for a, r in zip("xyz", right, strict=True)},
        }

    def table(self, scores: dict[str, float]) -> str:
        """Lays scores out, one line per split and method."""
        return "\n".join(f"{name:40s}{value:10.3f}" for name, value in scores.items())

    def panels(self, params: Any, batch_stats: Any, split: str, num: int) -> np.ndarray:
        """Draws the first `num` records of a split, uint8 [y, x, 3]."""
        held = self._splits[split]
        made = self.predict(params, batch_stats, held.images[:num])
        if self._kind == "angles":
            truth = held.targets[:num] * self._scale
            captions = [
                f"true {t.round(1)} deg\npredicted {p.round(1)} deg"
                for t, p in zip(truth, made, strict=True)
            ]
        else:
            captions = [
                f"true {signs(t)}, predicted {signs(p)}"
                for t, p in zip(held.targets[:num], made.argmax(-1), strict=True)
            ]
        return answer_panels(held.images[:num], held.side_a[:num], captions)


def signs(number: int) -> str:
    """Glazer signs about x, y, z of a class, such as "--+"."""
    return "".join("-0+"[int(number) // power % 3] for power in (9, 3, 1))
