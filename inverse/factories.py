"""From a checked configuration to the things that it names.

Nothing below this file sees a ConfigDict.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from inverse import convolution, dense_block, distortion_factories, losses, optimizer
from inverse.models import FCDenseNet
from inverse.normalisation import Normalisation
from inverse.scan import Scan
from parallel.link_cost import LinkCost
from parallel.production_order import Gradient
from parallel.reduction_plan import ReductionPlan, make_plan

_MIB = 1 << 20


class Network(NamedTuple):
    """A module taken apart, without its arrays.

    Attributes:
      make: nnx.Rngs -> module.
      graphdef: what is not traced.
      params: shapes of the parameters, nested dicts.
      batch_stats: shapes of the running statistics.
      axis_name: mesh axis over which batch statistics are shared, or None.
      cost: (prediction, target) -> cost, of plans: any whose gradient visits all.
    """

    make: Callable[[nnx.Rngs], nnx.Module]
    graphdef: Any
    params: Any
    batch_stats: Any
    axis_name: str | None
    cost: Callable[[Any, Any], jax.Array] = losses.absolute

    def apply(
        self,
        params: Any,
        batch_stats: Any,
        patterns: jax.Array,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> tuple[jax.Array, Any]:
        """Returns (prediction [n, y, x], batch statistics after it)."""
        module = nnx.merge(self.graphdef, params, batch_stats)
        prediction = module(patterns, train=train, keys=keys)
        return prediction, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))


def input_channels(config) -> int:
    """Channels of what the network sees: one per probe position, or per bin."""
    dataset, model = config.dataset, config.model
    if dataset.layout == "positions":
        return dataset.bins**2
    return model.channels


def make_network(
    config,
    axis_name: str | None = None,
    *,
    remat: bool = False,
    platform: str | None = None,
) -> Network:
    """Describes the network of `config`; nothing is computed.

    Args:
      config: the whole configuration.
      axis_name: mesh axis over which batch statistics are shared, if any.
      remat: compute dense blocks again for the backward pass, see memory.needs_remat.
      platform: of the devices that will run it, "cpu" or another: layers are written as
        it is fastest at them. By default that of config.machine.
    """
    cost = losses.absolute
    if config.task == "distortion":
        make = distortion_factories.make_module(config, axis_name)
        cost = distortion_factories.make_loss_fn(config)
    else:
        make = _make_dense(
            config, axis_name, remat, platform or config.machine.platform
        )
    graphdef, params, batch_stats = nnx.split(
        nnx.eval_shape(lambda: make(nnx.Rngs(0))), nnx.Param, nnx.BatchStat
    )
    shapes = (nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats))
    return Network(make, graphdef, *shapes, axis_name, cost)


def _make_dense(
    config, axis_name: str | None, remat: bool, platform: str
) -> Callable[[nnx.Rngs], FCDenseNet]:
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
    if config.task == "distortion":
        return distortion_factories.make_loss_fn(config)
    huber = losses.shrinking_huber(
        settings.huber_start, settings.huber_end, config.num_steps
    )
    return {"l1": losses.l1, "mse": losses.mse, "huber": huber}[settings.loss]


def make_optimizer(config) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Returns the optimizer and its learning rate by step."""
    settings = config.optimizer
    if settings.schedule == "cosine":
        schedule = optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=settings.learning_rate,
            warmup_steps=settings.warm_steps,
            decay_steps=config.num_steps,
        )
    else:
        schedule = optimizer.published_schedule(
            settings.learning_rate,
            settings.decay,
            settings.decay_steps,
            settings.warm_steps,
            settings.largest_learning_rate,
        )
    made = optimizer.adam(
        schedule, weight_decay=settings.weight_decay, larc=settings.larc
    )
    return made, schedule


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


def make_loss(network: Network) -> Callable[..., jax.Array]:
    """Returns loss(params, batch_stats, input, target), the mean of `network.cost`."""

    def loss(params, batch_stats, inputs, target):
        module = nnx.merge(network.graphdef, params, batch_stats)
        return network.cost(module(inputs, train=True), target).mean()

    return loss


def batch_shapes(config) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of one device's (input [n, y, x, c], target [n, y, x] or as it has it)."""
    if config.task == "distortion":
        return distortion_factories.batch_shapes(config)
    n, side = config.per_device_batch_size, config.model.image_size
    patterns = (n, side, side, input_channels(config))
    return (
        jax.ShapeDtypeStruct(patterns, jnp.dtype(config.model.dtype)),
        jax.ShapeDtypeStruct(patterns[:-1], jnp.float32),
    )


def link_cost(config, step_flops: float) -> LinkCost:
    """What `config.machine` says of compute and communication."""
    machine = config.machine
    return LinkCost(
        compute_seconds=step_flops / (1e12 * machine.device_tflops),
        # A ring sends every byte twice, whatever the number of devices.
        bytes_per_second=1e9 * machine.link_gb_per_second / 2,
        latency_seconds=1e-6 * machine.latency_us,
    )


def reduction_plan(config, gradients: list[Gradient], cost: LinkCost) -> ReductionPlan:
    """Makes the plan that `config.parallel` asks for."""
    parallel = config.parallel
    settings = {
        "chunks": {"num_groups": parallel.num_groups},
        "byte_bounds": {
            "first": int(parallel.first_mib * _MIB),
            "largest": int(parallel.largest_mib * _MIB),
            "last": int(parallel.last_mib * _MIB),
        },
    }
    return make_plan(
        gradients,
        parallel.policy,
        wire_dtype=parallel.wire_dtype or None,
        cost=cost,
        **settings.get(parallel.policy, {}),
    )
