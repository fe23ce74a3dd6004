"""Refuses configurations that cannot work, in the words of their fields."""

import difflib
import math

from input_pipeline.stored import WHEN_CORRUPT
from inverse.errors import ConfigError
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
    "optimizer.schedule": SCHEDULES,
    "evaluation.best_metric": SCORES,
    "model.upsampling": UPSAMPLINGS,
    "model.batch_statistics": ("shared", "local"),
    "model.remat": REMATS,
    "model.dtype": ("float32", "bfloat16", "float16"),
    "parallel.policy": POLICIES,
    "parallel.wire_dtype": ("", *WIRE_DTYPES),
    "parallel.verify": ("error", "warn"),
    "machine.platform": PLATFORMS,
}

_POSITIVE = (
    "num_steps",
    "per_device_batch_size",
    "log_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "dataset.shard_examples",
    "dataset.pattern_scale",
    "dataset.pattern_mean",
    "dataset.density_scale_va",
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
    "model.channels",
    "model.image_size",
    "model.growth",
    "model.kernel_size",
    "model.layers_bottleneck",
    "parallel.num_groups",
    "parallel.first_mib",
    "parallel.largest_mib",
    "parallel.last_mib",
    "machine.device_tflops",
    "machine.memory_gib",
    "machine.link_gb_per_second",
    "machine.latency_us",
)


def _field(config, path: str):
    section, _, name = path.rpartition(".")
    return (config[section] if section else config)[name]


def _refuse(path: str, value, remedy: str) -> None:
    raise ConfigError(f"config.{path}={value!r}: {remedy}.")


def _check_scan(config) -> None:
    """Whether positions and bins fit the pictures."""
    dataset, model = config.dataset, config.model
    side = math.isqrt(model.channels)
    if side**2 != model.channels:
        _refuse("model.channels", model.channels, "must be a square: rows x columns")
    if dataset.layout == "positions":
        if model.image_size % side:
            _refuse(
                "model.image_size",
                model.image_size,
                f"must be a multiple of the {side} rows of config.model.channels="
                f"{model.channels}",
            )
        if dataset.bins < 1 or model.image_size % dataset.bins:
            _refuse(
                "dataset.bins",
                dataset.bins,
                f"must divide config.model.image_size={model.image_size}",
            )
    if dataset.num_examples % config.per_device_batch_size or dataset.num_examples < 0:
        _refuse(
            "dataset.num_examples",
            dataset.num_examples,
            "must be 0, or a multiple of config.per_device_batch_size="
            f"{config.per_device_batch_size} times the devices",
        )
    if config.evaluation.phase_retrieval_steps < 0:
        _refuse(
            "evaluation.phase_retrieval_steps",
            config.evaluation.phase_retrieval_steps,
            "must be 0 or more",
        )
    if not 0 < dataset.held_out_share < 1:
        _refuse("dataset.held_out_share", dataset.held_out_share, "must be in (0, 1)")


def check_config(config) -> None:
    """Checks every field that can be checked without data or devices.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    for path, choices in _CHOICES.items():
        value = _field(config, path)
        if value not in choices:
            close = difflib.get_close_matches(value, choices, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            _refuse(
                path, value, f"{hint}choose one of {', '.join(filter(None, choices))}"
            )
    for path in _POSITIVE:
        if not _field(config, path) > 0:
            _refuse(path, _field(config, path), "must be positive")
    if config.per_device_batch_size % config.parallel.micro_batches:
        _refuse(
            "parallel.micro_batches",
            config.parallel.micro_batches,
            f"must divide config.per_device_batch_size={config.per_device_batch_size}",
        )
    if not 0 <= config.model.dropout < 1:
        _refuse("model.dropout", config.model.dropout, "must be in [0, 1)")
    if not 0 <= config.optimizer.ema_decay < 1:
        _refuse("optimizer.ema_decay", config.optimizer.ema_decay, "must be in [0, 1)")
    settings = config.optimizer
    if settings.schedule == "cosine" and settings.warm_steps >= config.num_steps:
        _refuse(
            "optimizer.warm_steps",
            settings.warm_steps,
            f"must be fewer than config.num_steps={config.num_steps}",
        )
    _check_scan(config)
    model = config.model
    if len(model.layers_down) != len(model.layers_up):
        _refuse(
            "model.layers_up",
            tuple(model.layers_up),
            f"must have as many blocks as config.model.layers_down="
            f"{tuple(model.layers_down)}",
        )
    side = 2 ** len(model.layers_down)
    if model.image_size % side:
        _refuse("model.image_size", model.image_size, f"must be a multiple of {side}")
