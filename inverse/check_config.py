"""Refuses configurations that cannot work, in the words of their fields."""

import math

from input_pipeline.stored import WHEN_CORRUPT
from inverse import distortion_config
from inverse.config_fields import check_choices, check_positive, refuse
from inverse.evaluate import SCORES
from inverse.losses import LOSSES
from inverse.memory import REMATS
from inverse.models import UPSAMPLINGS
from inverse.normalisation import INTENSITIES, LAYOUTS
from inverse.optimizer import SCHEDULES
from parallel.compiler_options import PLATFORMS
from parallel.reduction_plan import POLICIES, WIRE_DTYPES

_CHOICES = {
    "dataset.corrupt_shards": WHEN_CORRUPT,
    "dataset.intensity": INTENSITIES,
    "dataset.layout": LAYOUTS,
    "optimizer.loss": LOSSES,
    "evaluation.best_metric": SCORES,
    "model.upsampling": UPSAMPLINGS,
}

_SHARED_CHOICES = {
    "task": ("density", "distortion"),
    "optimizer.schedule": SCHEDULES,
    "model.batch_statistics": ("shared", "local"),
    "model.remat": REMATS,
    "model.dtype": ("float32", "bfloat16", "float16"),
    "parallel.policy": POLICIES,
    "parallel.wire_dtype": ("", *WIRE_DTYPES),
    "parallel.verify": ("error", "warn"),
    "machine.platform": PLATFORMS,
}

_SHARED_POSITIVE = (
    "num_steps",
    "per_device_batch_size",
    "log_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "optimizer.huber_start",
    "optimizer.huber_end",
    "optimizer.learning_rate",
    "optimizer.warm_steps",
    "optimizer.decay",
    "optimizer.decay_steps",
    "optimizer.largest_learning_rate",
    "evaluation.every_steps",
    "evaluation.num_examples",
    "evaluation.num_panels",
    "parallel.micro_batches",
    "parallel.num_groups",
    "parallel.first_mib",
    "parallel.largest_mib",
    "parallel.last_mib",
    "machine.device_tflops",
    "machine.memory_gib",
    "machine.link_gb_per_second",
    "machine.latency_us",
)

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


def check_config(config) -> None:
    """Checks every field that can be checked without data or devices.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    check_choices(config, _SHARED_CHOICES)
    check_positive(config, _SHARED_POSITIVE)
    if config.per_device_batch_size % config.parallel.micro_batches:
        refuse(
            "parallel.micro_batches",
            config.parallel.micro_batches,
            f"must divide config.per_device_batch_size={config.per_device_batch_size}",
        )
    if not 0 <= config.model.dropout < 1:
        refuse("model.dropout", config.model.dropout, "must be in [0, 1)")
    if not 0 <= config.optimizer.ema_decay < 1:
        refuse("optimizer.ema_decay", config.optimizer.ema_decay, "must be in [0, 1)")
    num = config.dataset.num_examples
    if num % config.per_device_batch_size or num < 0:
        refuse(
            "dataset.num_examples",
            num,
            "must be 0, or a multiple of config.per_device_batch_size="
            f"{config.per_device_batch_size} times the devices",
        )
    settings = config.optimizer
    if settings.schedule == "cosine" and settings.warm_steps >= config.num_steps:
        refuse(
            "optimizer.warm_steps",
            settings.warm_steps,
            f"must be fewer than config.num_steps={config.num_steps}: set either",
        )
    {"density": _check_density, "distortion": distortion_config.check}[config.task](
        config
    )


def _check_density(config) -> None:
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
