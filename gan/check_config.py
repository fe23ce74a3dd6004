"""Refuses configurations that cannot work, in the words of their fields."""

import difflib
from typing import NamedTuple

from gan.errors import ConfigError
from gan.evaluate import SCORES, SCORES_OF_LABELS, score_of
from gan.label_sharded_step import LOOPS
from gan.models import image_size_of

FEATURE_NETWORKS = ("own_classifier", "inception_2015", "imagenet_classifier")

_CHOICES = {
    "dataset.resize": ("pad", "bilinear", "nearest", "none"),
    "model.conditioning": ("per_label", "none", "class"),
    "model.discriminator_normalisation": ("batch", "layer", "none"),
    "model.dtype": ("float32", "bfloat16"),
    "optimizer.loss": ("non_saturating", "hinge", "least_squares", "wasserstein"),
    "parallel.entry_loop": ("auto", *LOOPS),
}

_POSITIVE = (
    "num_steps",
    "per_entry_batch_size",
    "log_every_steps",
    "sample_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "model.latent_size",
    "optimizer.discriminator_steps",
    "parallel.chunk_size",
    "parallel.steps_per_dispatch",
    "evaluation.every_steps",
    "evaluation.num_real",
    "evaluation.num_fake",
    "evaluation.classifier_epochs",
    "evaluation.grid_columns",
)

_NOT_NEGATIVE = (
    "seed",
    "dataset.num_labels",
    "dataset.channels",
    "optimizer.gradient_penalty",
)

_LEARNING_RATES = (
    "optimizer.generator_learning_rate",
    "optimizer.discriminator_learning_rate",
)

# How a score's name calls the network.
_SCORED_AS = {
    "own_classifier": "own_classifier",
    "inception_2015": "inception_2015",
    "imagenet_classifier": "efficientnet_lite0",
}

# A network without classes, and one whose classes are not the data's labels.
_NOT_MEASURED_BY = {
    "inception_2015": ("is_mean", "is_std", "own_label_accuracy"),
    "imagenet_classifier": ("own_label_accuracy",),
}

_BELOW_ONE = ("optimizer.beta1", "optimizer.beta2", "optimizer.ema_decay")


class Facts(NamedTuple):
    """What the data decides, where the configuration leaves it open.

    Attributes:
      num_labels: labels of the data.
      channels: channels of the images.
    """

    num_labels: int
    channels: int


def num_entries(config, facts: Facts) -> int:
    """How many generator/discriminator pairs are trained."""
    return facts.num_labels if config.model.conditioning == "per_label" else 1


def images_per_round(config) -> int:
    """Images of one pair that meet in one round: those that devices share."""
    return config.per_entry_batch_size // config.optimizer.discriminator_steps


def field(config, path: str):
    """Looks up "section.field"."""
    value = config
    for name in path.split("."):
        value = value[name]
    return value


def _refuse(path: str, value, remedy: str) -> None:
    raise ConfigError(f"config.{path}={value!r}: {remedy}.")


def check_config(config) -> None:
    """Checks every field that can be checked without data or devices.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    for path, choices in _CHOICES.items():
        _check_choice(path, field(config, path), choices)
    for path in _POSITIVE:
        if field(config, path) < 1:
            _refuse(path, field(config, path), "must be 1 or more")
    _check_ranges(config)
    size, features = config.dataset.image_size, tuple(config.model.features)
    if not features or not all(isinstance(n, int) and n > 0 for n in features):
        _refuse("model.features", features, "name the channels of each stage, e.g. 64")
    if image_size_of(features) != size:
        _refuse(
            "model.features",
            features,
            f"{len(features)} stages make images of {image_size_of(features)} pixels, "
            f"but config.dataset.image_size={size}; halve or double one of them",
        )
    batch, rounds = config.per_entry_batch_size, config.optimizer.discriminator_steps
    if batch % rounds:
        _refuse(
            "per_entry_batch_size",
            batch,
            f"must divide into config.optimizer.discriminator_steps={rounds} rounds",
        )
    penalty = config.optimizer.gradient_penalty
    if penalty and config.model.discriminator_normalisation == "batch":
        _refuse(
            "optimizer.gradient_penalty",
            penalty,
            "the penalty is of one image's slope, and batch normalisation mixes "
            'images; set config.model.discriminator_normalisation="layer"',
        )
    if config.optimizer.loss == "wasserstein" and not penalty:
        _refuse(
            "optimizer.loss",
            "wasserstein",
            "without a penalty nothing bounds the critic's slope; set "
            "config.optimizer.gradient_penalty=10",
        )
    _check_cadences(config)
    _check_evaluation(config)


def _check_ranges(config) -> None:
    for path in _NOT_NEGATIVE:
        if not field(config, path) >= 0:
            _refuse(path, field(config, path), "must be 0 or more")
    # JAX's keys would not tell it from the same number without its upper half.
    if config.seed >= 1 << 32:
        _refuse("seed", config.seed, "must fit into 32 bits")
    for path in _LEARNING_RATES:
        if not field(config, path) > 0:
            _refuse(path, field(config, path), "must be above 0")
    if not 0 <= config.optimizer.decay_share <= 1:
        _refuse(
            "optimizer.decay_share",
            config.optimizer.decay_share,
            "is a share of config.num_steps, from 0 (rates stay) to 1",
        )
    for path in _BELOW_ONE:
        if not 0 <= field(config, path) < 1:
            _refuse(path, field(config, path), "must be at least 0 and below 1")


def _check_choice(path: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        close = difflib.get_close_matches(value, choices, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        _refuse(path, value, f"{hint}choose one of {', '.join(choices)}")


def _measures(network: str, wanted: str) -> bool:
    """Whether a network has the score that a name, whole or in part, stands for."""
    score = score_of(wanted)
    if wanted != score and not wanted.startswith(f"{score}_{_SCORED_AS[network]}"):
        return False
    return score not in _NOT_MEASURED_BY.get(network, ())


def _check_evaluation(config) -> None:
    for name in config.evaluation.networks:
        _check_choice("evaluation.networks", name, FEATURE_NETWORKS)
    if not config.evaluation.networks:
        return
    wanted = config.evaluation.best_metric
    if score_of(wanted) is None:
        _check_choice("evaluation.best_metric", wanted, SCORES)
    score = score_of(wanted)
    if not any(_measures(n, wanted) for n in config.evaluation.networks):
        _refuse(
            "evaluation.best_metric",
            wanted,
            f"none of config.evaluation.networks={tuple(config.evaluation.networks)} "
            "measures it; choose another score or add a network",
        )
    if config.model.conditioning == "none" and score in SCORES_OF_LABELS:
        _refuse(
            "evaluation.best_metric",
            wanted,
            'with config.model.conditioning="none" no image is asked to show a label; '
            "choose another score, e.g. fid",
        )


def _check_cadences(config) -> None:
    stride = config.parallel.steps_per_dispatch
    for path in (
        "num_steps",
        "log_every_steps",
        "sample_every_steps",
        "checkpoint_every_steps",
        "evaluation.every_steps",
    ):
        if field(config, path) % stride:
            _refuse(
                path,
                field(config, path),
                f"must be a multiple of config.parallel.steps_per_dispatch={stride}",
            )


def check_first_step(config, first_step: int) -> None:
    """Refuses to go on from a step that no dispatch of this configuration ends at.

    Cadences and the last step would be passed over, not met.

    Raises:
      ConfigError: `first_step` is no multiple of the steps of one dispatch.
    """
    stride = config.parallel.steps_per_dispatch
    if first_step % stride:
        _refuse(
            "parallel.steps_per_dispatch",
            stride,
            f"does not divide step {first_step}, at which the run was stopped; choose "
            "a divisor of that, or 1",
        )


def check_facts(config, facts: Facts) -> None:
    """Compares what the configuration says of the data with the data itself.

    Raises:
      ConfigError: they differ.
    """
    for name, found in facts._asdict().items():
        stated = config.dataset[name]
        if stated not in (0, found):
            _refuse(
                f"dataset.{name}",
                stated,
                f"{config.dataset.name} has {found}; set that",
            )
