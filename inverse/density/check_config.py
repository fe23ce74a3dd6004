"""Refuses configurations of densities that cannot work."""

import math

from input_pipeline.stored import WHEN_CORRUPT
from inverse.config_fields import check_choices, check_positive, refuse
from inverse.density.evaluate import SCORES
from inverse.density.losses import LOSSES
from inverse.density.models import UPSAMPLINGS
from inverse.density.normalisation import INTENSITIES, LAYOUTS

_CHOICES = {
    "dataset.corrupt_shards": WHEN_CORRUPT,
    "dataset.intensity": INTENSITIES,
    "dataset.layout": LAYOUTS,
    "optimizer.loss": LOSSES,
    "evaluation.best_metric": SCORES,
    "model.upsampling": UPSAMPLINGS,
}

_POSITIVE = (
    "dataset.shard_examples",
    "dataset.pattern_scale",
    "dataset.pattern_mean",
    "dataset.density_scale_va",
    "model.channels",
    "model.image_size",
    "model.growth",
    "model.kernel_size",
    "model.layers_bottleneck",
)


def check(config) -> None:
    """Checks the fields that only this task has.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    check_choices(config, _CHOICES)
    check_positive(config, _POSITIVE)
    _check_scan(config)
    model = config.model
    if len(model.layers_down) != len(model.layers_up):
        refuse(
            "model.layers_up",
            tuple(model.layers_up),
            f"must have as many blocks as config.model.layers_down="
            f"{tuple(model.layers_down)}",
        )
    side = 2 ** len(model.layers_down)
    if model.image_size % side:
        refuse("model.image_size", model.image_size, f"must be a multiple of {side}")


def _check_scan(config) -> None:
    """Whether positions and bins fit the pictures."""
    dataset, model = config.dataset, config.model
    side = math.isqrt(model.channels)
    if side**2 != model.channels:
        refuse("model.channels", model.channels, "must be a square: rows x columns")
    if dataset.layout == "positions":
        if model.image_size % side:
            refuse(
                "model.image_size",
                model.image_size,
                f"must be a multiple of the {side} rows of config.model.channels="
                f"{model.channels}",
            )
        if dataset.bins < 1 or model.image_size % dataset.bins:
            refuse(
                "dataset.bins",
                dataset.bins,
                f"must divide config.model.image_size={model.image_size}",
            )
    if config.evaluation.phase_retrieval_steps < 0:
        refuse(
            "evaluation.phase_retrieval_steps",
            config.evaluation.phase_retrieval_steps,
            "must be 0 or more",
        )
    for name in ("validation_share", "held_out_share"):
        if not 0 < dataset[name] < 1:
            refuse(f"dataset.{name}", dataset[name], "must be in (0, 1)")
    if dataset.validation_share + dataset.held_out_share >= 1:
        refuse(
            "dataset.validation_share",
            dataset.validation_share,
            "must leave something to train on beside config.dataset.held_out_share="
            f"{dataset.held_out_share}",
        )
