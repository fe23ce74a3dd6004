"""Compares generated images with real ones, in features of several networks."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gan import metrics
from gan.errors import ConfigError
from gan.features import FeatureNetwork
from gan.neighbourhood_metrics import neighbourhood_scores, squared_radii
from gan.npz_cache import digest_of, load_or_make
from input_pipeline.array_cache import directory
from input_pipeline.arrays import LabelledImages
from parallel.run_log import log

FORMAT_VERSION = 1
SCORES_OF_LABELS = ("intra_fid", "own_label_accuracy")
SCORES = (
    *("fid", "precision", "recall", "density", "coverage", "is_mean", "is_std"),
    *SCORES_OF_LABELS,
)
SMALLER_IS_BETTER = ("fid", "intra_fid", "is_std")
NEIGHBOUR = 5  # neighbourhoods reach to the fifth neighbour
MAX_NEIGHBOURHOODS = 10_000  # images whose neighbourhoods are compared


class _Reals(NamedTuple):
    """What is known of the real images in the features of one network."""

    features: np.ndarray
    radii: np.ndarray
    moments: metrics.Moments
    moments_by_label: list[metrics.Moments]


def spread_over_labels(labels: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Draws `num` sorted positions with every label in proportion to its images.

    Args:
      labels: [n] integers.
      num: positions to draw; all n where it is more.
      seed: of the draw.
    """
    if num >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = np.asarray(labels)[order]
    quantiles = np.empty(len(labels))
    for label in np.unique(shuffled):
        places = np.flatnonzero(shuffled == label)
        quantiles[places] = (np.arange(len(places)) + 0.5) / len(places)
    # Where quantiles are equal (labels with as many images) the shuffle decides.
    return np.sort(order[np.argsort(quantiles, kind="stable")[:num]])


def score_of(name: str) -> str | None:
    """The score that a name, whole or in part, stands for; None if it is none.

    "fid" and "fid_own_classifier_mnist_e3_r10000_f10000" are both "fid".
    """
    matching = [s for s in SCORES if name == s or name.startswith(f"{s}_")]
    return matching[0] if matching else None


def score_name(score: str, network: str, num_fake: int, num_real: int = 0) -> str:
    """Name of a score, e.g. "fid_own_classifier_mnist_e3_r10000_f10000"."""
    reals = f"r{num_real}_" if num_real else ""
    return f"{score}_{network}_{reals}f{num_fake}"


class Evaluator:
    """Scores generated images; everything about the real ones is computed once."""

    def __init__(
        self,
        networks: Sequence[FeatureNetwork],
        real: LabelledImages,
        *,
        num_real: int,
        num_fake: int,
        cache_dir: str,
        seed: int = 0,
        report: Callable[[str], None] = print,
    ):
        """Computes the real images' features, or reads them from the cache.

        Args:
          networks: what to score with.
          real: the split that generated images are compared with; name it when you
            publish a score, because it is not part of the score's name.
          num_real: how many of its images to use, every label in proportion; all
            where there are fewer (the scores' names tell).
          num_fake: how many images `run` will be given.
          cache_dir: where features are kept; empty for the user's cache directory.
          seed: of the choice of real images and of the inception score's splits.
          report: is told about a damaged cache file.

        Raises:
          ConfigError: too few images for the labels.
        """
        chosen = spread_over_labels(real.labels, num_real, seed)
        self.num_real, self.num_fake = len(chosen), num_fake
        self.num_labels = real.num_labels
        self._seed, self._image_shape = seed, tuple(real.image_shape)
        self._real_labels = np.asarray(real.labels)[chosen]
        self._check_numbers(real, num_real)
        self._near = spread_over_labels(self._real_labels, MAX_NEIGHBOURHOODS, seed)
        self._networks = []
        for network in networks:
            statistics = self._real_statistics(network, real, chosen, cache_dir, report)
            self._networks.append((network, statistics))

    def _check_numbers(self, real: LabelledImages, num_real: int) -> None:
        counts = np.bincount(self._real_labels, minlength=self.num_labels)
        rarest = int(counts.argmin())
        wanted = f"every label needs 2, here {real.label_names[rarest]!r} has"
        if counts.min() < 2 or self.num_real <= NEIGHBOUR:
            is_all = self.num_real == len(real.labels)
            remedy = "add images of it" if is_all else "raise it"
            raise ConfigError(
                f"config.evaluation.num_real={num_real}: {wanted} {counts.min()} among "
                f"{self.num_real} of {len(real.labels)} images of the {real.split} "
                f"split; {remedy}."
            )
        fakes = int(self.num_fake * counts.min() / self.num_real)
        if fakes < 2 or self.num_fake <= NEIGHBOUR:
            raise ConfigError(
                f"config.evaluation.num_fake={self.num_fake}: {wanted} {fakes}; "
                "raise it."
            )

    def _real_statistics(self, network, real, chosen, cache_dir, report) -> _Reals:
        key = digest_of(
            FORMAT_VERSION, network.digest, real.digest, self.num_real, self._seed
        )
        name = f"{network.name}-{real.split}-r{self.num_real}-{key[:16]}.npz"

        def make():
            features, _ = network.run(real.images[chosen])
            return {"features": features}

        path = directory(cache_dir) / "real_features" / name
        features = load_or_make(path, ("features",), make, report)["features"]
        fewest = min(self.num_real, self.num_fake)
        if fewest < features.shape[1]:
            # A covariance of fewer samples than dimensions is not of full rank.
            log.warning(
                "%d images are few for %d features of %s: their number decides the "
                "FID; compare it with scores of the same name alone, or raise "
                "config.evaluation.num_real and num_fake.",
                *(fewest, features.shape[1], network.name),
            )
        return _Reals(
            features,
            squared_radii(features[self._near], NEIGHBOUR),
            metrics.moments(features),
            metrics.moments_by_label(features, self._real_labels, self.num_labels),
        )

    def run(
        self, fakes: np.ndarray, fake_labels: np.ndarray | None
    ) -> dict[str, float]:
        """Scores generated images.

        Args:
          fakes: uint8 [num_fake, y, x, c].
          fake_labels: integers [num_fake]; the labels that they were asked to show,
            each twice or more; None if they were not asked to show any.

        Returns:
          For every network: fid, precision, recall, density, coverage; is_mean and
          is_std where it has classes; with labels also intra_fid, and
          own_label_accuracy where its classes are the data's labels. Names as by
          `score_name`.
        """
        if fakes.shape != (self.num_fake, *self._image_shape):
            raise ValueError(
                f"fakes must have the shape {(self.num_fake, *self._image_shape)}, "
                f"got {fakes.shape}."
            )
        if fake_labels is not None:
            fake_labels = np.asarray(fake_labels)
            self._check_labels(fake_labels)
        scores = {}
        for network, reals in self._networks:
            features, probabilities = network.run(fakes)
            found = self._distances(reals, features, fake_labels)
            scores |= self._named(network, self.num_real, self.num_fake, found)
            near, found = self._neighbourhoods(reals, features, fake_labels)
            scores |= self._named(network, len(self._near), near, found)
            if probabilities is not None:
                labels = fake_labels if network.knows_labels else None
                found = self._answers(probabilities, labels)
                scores |= self._named(network, 0, self.num_fake, found)
        return scores

    def _check_labels(self, labels: np.ndarray) -> None:
        right = labels.shape == (self.num_fake,) and labels.dtype.kind in "iu"
        if not right or labels.min() < 0 or labels.max() >= self.num_labels:
            raise ValueError(
                f"fake_labels must be {self.num_fake} integers in "
                f"0..{self.num_labels - 1}, got {labels.dtype} {labels.shape}."
            )
        counts = np.bincount(labels, minlength=self.num_labels)
        if counts.min() < 2:
            raise ValueError(
                "fake_labels must hold every label twice or more, but label "
                f"{counts.argmin()} is there {counts.min()} times."
            )

    @staticmethod
    def _named(network, num_real, num_fake, scores) -> dict[str, float]:
        return {
            score_name(score, network.name, num_fake, num_real): value
            for score, value in scores.items()
        }

    def _distances(self, reals, features, fake_labels) -> dict[str, float]:
        moments = metrics.moments(features)
        scores = {"fid": metrics.frechet_distance(reals.moments, moments)}
        if fake_labels is not None:
            by_label = metrics.moments_by_label(features, fake_labels, self.num_labels)
            scores["intra_fid"] = metrics.intra_class_frechet(
                reals.moments_by_label, by_label
            )
        return scores

    def _neighbourhoods(self, reals, features, fake_labels):
        if fake_labels is None:
            fake_labels = np.zeros(self.num_fake, np.int64)
        near = spread_over_labels(fake_labels, MAX_NEIGHBOURHOODS, self._seed)
        scores = neighbourhood_scores(
            reals.features[self._near],
            features[near],
            NEIGHBOUR,
            real_radii=reals.radii,
        )
        return len(near), scores._asdict()

    def _answers(self, probabilities, labels) -> dict[str, float]:
        num_splits = min(10, len(probabilities))
        mean, std = metrics.inception_score(
            probabilities, num_splits=num_splits, seed=self._seed
        )
        scores = {"is_mean": mean, "is_std": std}
        if labels is not None:
            accuracy = metrics.label_accuracy(probabilities, labels)
            scores["own_label_accuracy"] = accuracy
        return scores
