"""From a checked configuration to the things that it names.

Nothing below this file sees a ConfigDict.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from inverse.models import FCDenseNet
from parallel.link_cost import LinkCost
from parallel.production_order import Gradient
from parallel.reduction_plan import ReductionPlan, make_plan

_MIB = 1 << 20


class Network(NamedTuple):
    """A module taken apart, without its arrays.

    Attributes:
      graphdef: what is not traced.
      params: shapes of the parameters, nested dicts.
      batch_stats: shapes of the running statistics.
    """

    graphdef: Any
    params: Any
    batch_stats: Any


def make_network(config, axis_name: str | None = None) -> Network:
    """Describes the network of `config`; nothing is computed."""
    model = config.model

    def make():
        return FCDenseNet(
            channels=model.channels,
            growth=model.growth,
            kernel_size=model.kernel_size,
            layers_down=tuple(model.layers_down),
            layers_bottleneck=model.layers_bottleneck,
            layers_up=tuple(model.layers_up),
            upsampling=model.upsampling,
            axis_name=axis_name,
            dtype=jnp.dtype(model.dtype),
            rngs=nnx.Rngs(0),
        )

    graphdef, params, batch_stats = nnx.split(
        nnx.eval_shape(make), nnx.Param, nnx.BatchStat
    )
    return Network(graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats))


def make_loss(network: Network) -> Callable[..., jax.Array]:
    """Returns loss(params, batch_stats, patterns, density): mean absolute error."""

    def loss(params, batch_stats, patterns, density):
        module = nnx.merge(network.graphdef, params, batch_stats)
        return jnp.abs(module(patterns, train=True) - density).mean()

    return loss


def batch_shapes(config) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of one device's (patterns [n, y, x, c], density [n, y, x])."""
    n, side = config.per_device_batch_size, config.model.image_size
    patterns = (n, side, side, config.model.channels)
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
