"""From a configuration of the density task to the things that it names."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from inverse.density import convolution, dense_block, losses
from inverse.density.models import FCDenseNet
from inverse.density.normalisation import Normalisation
from inverse.scan.geometry import Scan


def input_channels(config) -> int:
    """Channels of what the network sees: one per probe position, or per bin."""
    dataset, model = config.dataset, config.model
    if dataset.layout == "positions":
        return dataset.bins**2
    return model.channels


def make_module(
    config, axis_name: str | None, remat: bool, platform: str
) -> Callable[[nnx.Rngs], FCDenseNet]:
    """Returns nnx.Rngs -> the network that `config.model` describes.

    Args:
      config: the whole configuration.
      axis_name: mesh axis over which batch statistics are shared, if any.
      remat: compute dense blocks again for the backward pass.
      platform: of the devices that will run it, "cpu" or another.
    """
    model, on_cpu = config.model, platform == "cpu"
    # Half precision would lose in the sums over sources.
    by_source = on_cpu and model.dtype == "float32"

    def make(rngs: nnx.Rngs) -> FCDenseNet:
        return FCDenseNet(
            channels=input_channels(config),
            growth=model.growth,
            kernel_size=model.kernel_size,
            layers_down=tuple(model.layers_down),
            layers_bottleneck=model.layers_bottleneck,
            layers_up=tuple(model.layers_up),
            upsampling=model.upsampling,
            dropout=model.dropout,
            remat=remat,
            axis_name=axis_name,
            convolve=convolution.convolve_on_cpu if on_cpu else convolution.convolve,
            dense_outputs=(
                dense_block.source_by_source
                if by_source
                else dense_block.layer_by_layer
            ),
            dtype=jnp.dtype(model.dtype),
            rngs=rngs,
        )

    return make


def make_loss_fn(config) -> Callable[..., jax.Array]:
    """Returns (prediction, truth, step) -> cost of every pixel."""
    settings = config.optimizer
    huber = losses.shrinking_huber(
        settings.huber_start, settings.huber_end, config.num_steps
    )
    return {"l1": losses.l1, "mse": losses.mse, "huber": huber}[settings.loss]


def make_normalisation(config, scan: Scan) -> Normalisation:
    """Returns the constants between physical units and the network's."""
    dataset = config.dataset
    return Normalisation(
        dataset.layout,
        scan.positions,
        dataset.bins,
        dataset.intensity,
        dataset.pattern_scale,
        dataset.density_mean_va,
        dataset.density_scale_va,
    )


def batch_shapes(config) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of one device's (input [n, y, x, c], target [n, y, x])."""
    n, side = config.per_device_batch_size, config.model.image_size
    patterns = (n, side, side, input_channels(config))
    return (
        jax.ShapeDtypeStruct(patterns, jnp.dtype(config.model.dtype)),
        jax.ShapeDtypeStruct(patterns[:-1], jnp.float32),
    )
