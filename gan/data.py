"""The data set of a configuration: what trains, what is compared with."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan.check_config import Facts
from gan.classifier import ClassifierSettings, own_classifier
from gan.efficientnet_lite import imagenet_classifier
from gan.errors import ConfigError
from gan.evaluate import Evaluator
from gan.features import FeatureNetwork
from gan.inception import inception_2015
from gan.weights import require_weights
from input_pipeline import catalogue
from input_pipeline.arrays import LabelledImages, load_arrays
from input_pipeline.crops import CropBatches, centred_sample
from input_pipeline.encoded import open_encoded
from input_pipeline.images import LabelBatches
from input_pipeline.label_partition import (
    LabelPartition,
    one_partition,
    partition_by_label,
)
from parallel.errors import RunError

_OTHER_DATA = "bring that data back, or choose another --workdir"


class TrainingSet(NamedTuple):
    """What is trained on.

    Attributes:
      labels: of every training image, int32 [n].
      reals: images for pictures and scores: all of them, or a sample of a large set.
      make_batches: (partition, entries, examples) -> object with `batch_at(step)`.
      digest: SHA-256 of images and labels; of a large set's labels alone.
    """

    labels: np.ndarray
    reals: LabelledImages
    make_batches: Callable
    digest: str


def load(config, split: str) -> LabelledImages:
    """Loads one split of the data set that `config` names, or a sample of it."""
    dataset = config.dataset
    if not dataset.streamed:
        return load_arrays(
            dataset.name,
            split,
            image_size=dataset.image_size,
            resize=dataset.resize,
            data_dir=dataset.data_dir,
            cache_dir=dataset.cache_dir,
        )
    encoded = open_encoded(dataset.name, split, dataset.data_dir, dataset.cache_dir)
    num_real = config.evaluation.num_real
    return centred_sample(
        encoded, split, num_real, dataset.image_size, dataset.cache_dir
    )


def load_training_set(config) -> TrainingSet:
    """Opens what `config` trains on."""
    dataset = config.dataset
    reals = load(config, "train")
    shared = {
        "batch_size": config.per_entry_batch_size,
        "seed": config.seed,
        "flip": dataset.flip,
    }
    if not dataset.streamed:

        def make_batches(partition, entries, examples):
            block = {"entries": entries, "examples": examples}
            return LabelBatches(reals, partition, **block, **shared)

        return TrainingSet(reals.labels, reals, make_batches, reals.digest)
    encoded = open_encoded(dataset.name, "train", dataset.data_dir, dataset.cache_dir)

    def make_crops(partition, entries, examples):
        block = {"entries": entries, "examples": examples}
        size = dataset.image_size
        return CropBatches(encoded, partition, image_size=size, **block, **shared)

    digest = hashlib.sha256(np.asarray(encoded.labels).tobytes()).hexdigest()
    return TrainingSet(encoded.labels, reals, make_crops, digest)


def described(training_set: TrainingSet, partition: LabelPartition) -> dict[str, Any]:
    """What is saved of the data with every state: JSON-able."""
    return {
        "num_labels": training_set.reals.num_labels,
        "channels": training_set.reals.image_shape[-1],
        "label_names": list(partition.label_names),
        "prior": partition.prior().tolist(),
        "digest": training_set.digest,
    }


def require_same_labels(trained_on: dict[str, Any], now: Sequence[str]) -> None:
    """Refuses other labels than a run's: a pair would stand for another one's images.

    Args:
      trained_on: `described` of the run so far.
      now: names of the labels of the data at hand.

    Raises:
      RunError: names the first that differs.
    """
    pairs = itertools.zip_longest(trained_on["label_names"], now)
    for label, (old, new) in enumerate(pairs):
        if old != new:
            raise RunError(
                f"config.dataset.name: label {label} of the run is {old!r}, of the "
                f"data {new!r}; {_OTHER_DATA}."
            )


def require_same(trained_on: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuses to go on with other data than before.

    Args:
      trained_on: `described` of the run so far; one that saved no digest is compared
        by its labels.
      now: `described` of the data at hand.

    Raises:
      RunError: says what differs.
    """
    require_same_labels(trained_on, now["label_names"])
    if trained_on.get("digest", now["digest"]) != now["digest"]:
        raise RunError(
            "config.dataset.name: its images or labels are not those that the run was "
            f"trained on; {_OTHER_DATA}."
        )


def require_sources(config) -> bool:
    """Looks for the data and the networks of `config`, and reads neither.

    Returns:
      Whether the data lies at hand; a catalogued set that does not is downloaded
      when it is trained on.

    Raises:
      DataFieldError: no such data set.
      ConfigError: a network's file is missing, or another.
    """
    evaluation, dataset = config.evaluation, config.dataset
    for network, name in _FILES.items():
        if name in evaluation.networks:
            require_weights(
                network, evaluation[f"{network}_path"], evaluation[f"{network}_sha256"]
            )
    return catalogue.locate(dataset.name, "train", dataset.data_dir) is not None


def facts_of(images: LabelledImages) -> Facts:
    """What the data decides."""
    return Facts(images.num_labels, images.image_shape[-1])


def partition(config, training_set: TrainingSet) -> LabelPartition:
    """Gives the images to the pairs that `config` asks for."""
    per_label = config.model.conditioning == "per_label"
    divide = partition_by_label if per_label else one_partition
    return divide(training_set.labels, training_set.reals.label_names)


def feature_networks(config, train: LabelledImages) -> list[FeatureNetwork]:
    """Makes the networks that scores are measured with, in the order of their names."""
    return [_MAKERS[name](config, train) for name in config.evaluation.networks]


def _own_classifier(config, train: LabelledImages) -> FeatureNetwork:
    settings = ClassifierSettings(epochs=config.evaluation.classifier_epochs)
    return own_classifier(
        train, load(config, "test"), settings, cache_dir=config.dataset.cache_dir
    )


def _inception_2015(config, train: LabelledImages) -> FeatureNetwork:
    del train
    evaluation = config.evaluation
    return inception_2015(evaluation.inception_path, evaluation.inception_sha256)


def _imagenet_classifier(config, train: LabelledImages) -> FeatureNetwork:
    del train
    evaluation = config.evaluation
    return imagenet_classifier(evaluation.imagenet_path, evaluation.imagenet_sha256)


# Beginning of a file's fields -> the network that is read from it.
_FILES = {"inception": "inception_2015", "imagenet": "imagenet_classifier"}
_MAKERS = {
    "own_classifier": _own_classifier,
    "inception_2015": _inception_2015,
    "imagenet_classifier": _imagenet_classifier,
}


def make_evaluator(config, train: LabelledImages) -> Evaluator:
    """Makes the evaluator of `config`; fakes are compared with the training images.

    Raises:
      ConfigError: too few images for the labels.
    """
    drawn = np.bincount(labels_to_score(config, train), minlength=train.num_labels)
    if drawn.min() < 2:
        raise ConfigError(
            f"config.evaluation.num_fake={config.evaluation.num_fake}: every label "
            f"needs 2, in the data's proportions {train.label_names[drawn.argmin()]!r} "
            f"gets {drawn.min()}; raise it."
        )
    return Evaluator(
        feature_networks(config, train),
        train,
        num_real=config.evaluation.num_real,
        num_fake=config.evaluation.num_fake,
        cache_dir=config.dataset.cache_dir,
    )


def labels_to_score(config, train: LabelledImages) -> np.ndarray:
    """Labels [num_fake] that fakes are drawn of, in the data's proportions, sorted."""
    num_fake = config.evaluation.num_fake
    counts = np.bincount(train.labels, minlength=train.num_labels)
    ends = np.round(np.cumsum(counts) * (num_fake / counts.sum())).astype(int)
    return np.repeat(np.arange(train.num_labels), np.diff(ends, prepend=0))


def find_score(config, scores: dict[str, float]) -> tuple[str, float]:
    """Returns the score that `config.evaluation.best_metric` names, and its whole name.

    Names of scores end with the network and numbers of images; the field may leave
    these out; then the first network's counts.

    Raises:
      ConfigError: no network measures that score.
    """
    wanted = config.evaluation.best_metric
    for name, value in scores.items():
        if name == wanted or name.startswith(f"{wanted}_"):
            return name, value
    raise ConfigError(
        f"config.evaluation.best_metric={wanted!r} is no score of "
        f"config.evaluation.networks={tuple(config.evaluation.networks)}; there are "
        f"{', '.join(scores)}."
    )
