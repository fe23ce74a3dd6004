"""Networks whose reductions are compared: shapes and losses, nothing computed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.resnet import ResNet50
from configs import stem_density
from gan.losses import make_loss
from gan.models import Discriminator, Generator
from inverse import factories

_LATENT, _IMAGE, _FEATURES = 100, 64, (512, 256, 128, 64)


class Workload(NamedTuple):
    """What one device computes in a step.

    Attributes:
      params: shapes of the parameters.
      fixed: shapes of what is neither trained nor split, e.g. running statistics.
      batch: shapes of one device's examples, examples first.
      loss_fn: (params, fixed, *batch) -> loss.
      wire_dtype: in which gradients travel.
    """

    params: Any
    fixed: Any
    batch: tuple[jax.ShapeDtypeStruct, ...]
    loss_fn: Callable[..., jax.Array]
    wire_dtype: str


def _shape(*sizes: int, dtype: str = "float32") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, jnp.dtype(dtype))


def _density(variant: str, axis_name: str | None, dtype: str = "") -> Workload:
    """Batch statistics are shared over `axis_name`, as in training."""
    config = stem_density.get_config(variant)
    if dtype:
        config.model.dtype = config.parallel.wire_dtype = dtype
    network = factories.make_network(config, axis_name)
    return Workload(
        network.params,
        network.batch_stats,
        factories.batch_shapes(config),
        factories.make_loss(network),
        config.parallel.wire_dtype,
    )


def _taken_apart(make: Callable[[], Any]) -> tuple[Any, Any, Any]:
    graphdef, params, rest = nnx.split(nnx.eval_shape(make), nnx.Param, ...)
    return graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(rest)


def _resnet50(batch_size: int = 128) -> Workload:
    graphdef, params, fixed = _taken_apart(
        lambda: ResNet50(dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    )

    def loss_fn(params, fixed, images, labels):
        logits = nnx.merge(graphdef, params, fixed)(images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    images = _shape(batch_size, 224, 224, 3, dtype="bfloat16")
    labels = _shape(batch_size, dtype="int32")
    return Workload(params, fixed, (images, labels), loss_fn, "bfloat16")


def _dcgan(batch_size: int = 64) -> Workload:
    """Both players of the stock DC-GAN at 64 x 64, updated at once."""
    shared = {"features": _FEATURES, "channels": 3, "dtype": jnp.bfloat16}
    make = {
        "generator": lambda: Generator(latent_size=_LATENT, rngs=nnx.Rngs(0), **shared),
        "discriminator": lambda: Discriminator(rngs=nnx.Rngs(1), **shared),
    }
    parts = {name: _taken_apart(maker) for name, maker in make.items()}
    game = make_loss("non_saturating", gradient_penalty=0.0)

    def call(name, params, fixed, x, classes):
        module = nnx.merge(parts[name][0], params, fixed[name])
        return module(x, classes, train=True)

    def loss_fn(params, fixed, images, latents, classes):
        fakes = call("generator", params["generator"], fixed, latents, classes)
        judge, stopped = params["discriminator"], jax.lax.stop_gradient
        # Each player's gradient is of its own loss alone.
        wanted = call("discriminator", stopped(judge), fixed, fakes, classes)
        real = call("discriminator", judge, fixed, images, classes)
        fake = call("discriminator", judge, fixed, stopped(fakes), classes)
        return game.generator(wanted).mean() + game.discriminator(real, fake).mean()

    batch = (
        _shape(batch_size, _IMAGE, _IMAGE, 3),
        _shape(batch_size, _LATENT),
        _shape(batch_size, dtype="int32"),
    )
    params, fixed = ({name: part[i] for name, part in parts.items()} for i in (1, 2))
    return Workload(params, fixed, batch, loss_fn, "bfloat16")


# Of the mesh axis that batch statistics are shared over, where a network shares them;
# None to trace it on one device.
WORKLOADS: dict[str, Callable[[str | None], Workload]] = {
    "density_paper": lambda axis_name: _density("paper", axis_name),
    # As configs/stem_density.py has it: no layer waits for another device. (The step
    # averages running statistics as well, which nothing waits for: not replayed.)
    "density_paper_local": lambda axis_name: _density("paper", None),
    # The compiler for TPUs packs the paper's half precision into integers, and reduces
    # these while nothing else runs.
    "density_paper_bfloat16": lambda axis_name: _density(
        "paper", axis_name, "bfloat16"
    ),
    "density_reduced": lambda axis_name: _density("reduced", axis_name),
    "resnet50": lambda axis_name: _resnet50(),
    "dcgan": lambda axis_name: _dcgan(),
}
