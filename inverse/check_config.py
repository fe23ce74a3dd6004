"""Refuses configurations that cannot work, in the words of their fields."""

from inverse.config_fields import check_choices, check_positive, refuse
from inverse.density import check_config as density
from inverse.density.memory import REMATS
from inverse.distortion import check_config as distortion
from inverse.factories import TUNED
from inverse.optimizer import SCHEDULES
from parallel.compiler_options import PLATFORMS
from parallel.reduction_plan import POLICIES, WIRE_DTYPES

_CHOICES = {
    "task": ("density", "distortion"),
    "optimizer.schedule": SCHEDULES,
    "model.batch_statistics": ("shared", "local"),
    "model.remat": REMATS,
    "model.dtype": ("float32", "bfloat16", "float16"),
    "parallel.policy": (*POLICIES, TUNED),
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
    "machine.memory_tb_per_second",
    "machine.link_gb_per_second",
    "machine.latency_us",
)


def check_config(config) -> None:
    """Checks every field that can be checked without data or devices.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    check_choices(config, _CHOICES)
    check_positive(config, _POSITIVE)
    if config.per_device_batch_size % config.parallel.micro_batches:
        refuse(
            "parallel.micro_batches",
            config.parallel.micro_batches,
            f"must divide config.per_device_batch_size={config.per_device_batch_size}",
        )
    for name in ("first_mib", "largest_mib", "last_mib"):
        if config.parallel[name] * (1 << 20) < 1:
            refuse(f"parallel.{name}", config.parallel[name], "is less than a byte")
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
    task = {"density": density, "distortion": distortion}[config.task]
    task.check(config)
