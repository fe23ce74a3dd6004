"""From a checked configuration to the things that it names.

Nothing below this file sees a ConfigDict.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from flax import nnx

from inverse import optimizer
from inverse.config_fields import refuse
from inverse.density import factories as density
from inverse.density import losses
from inverse.distortion import factories as distortion
from parallel.link_cost import LinkCost
from parallel.production_order import Gradient
from parallel.reduction_plan import ReductionPlan, make_plan
from parallel.schedule_cost import Machine

_MIB = 1 << 20
TUNED = "tuned"  # the policy that is chosen when the step is compiled


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


def _task(config):
    return {"density": density, "distortion": distortion}[config.task]


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
        make = distortion.make_module(config, axis_name)
        cost = distortion.make_loss_fn(config)
    else:
        make = density.make_module(
            config, axis_name, remat, platform or config.machine.platform
        )
    graphdef, params, batch_stats = nnx.split(
        nnx.eval_shape(lambda: make(nnx.Rngs(0))), nnx.Param, nnx.BatchStat
    )
    shapes = (nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats))
    return Network(make, graphdef, *shapes, axis_name, cost)


def make_loss_fn(config) -> Callable[..., jax.Array]:
    """Returns (prediction, truth, step) -> cost of every pixel."""
    return _task(config).make_loss_fn(config)


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


def make_loss(network: Network) -> Callable[..., jax.Array]:
    """Returns loss(params, batch_stats, input, target), the mean of `network.cost`."""

    def loss(params, batch_stats, inputs, target):
        module = nnx.merge(network.graphdef, params, batch_stats)
        return network.cost(module(inputs, train=True), target).mean()

    return loss


def batch_shapes(config) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of one device's (input [n, y, x, c], target [n, y, x] or as it has it)."""
    return _task(config).batch_shapes(config)


def link_cost(config, step_flops: float) -> LinkCost:
    """What `config.machine` says of compute and communication.

    Raises:
      ConfigError: it says that a step never ends.
    """
    machine = config.machine
    compute_seconds = step_flops / (1e12 * machine.device_tflops)
    if not math.isfinite(compute_seconds):
        refuse("machine.device_tflops", machine.device_tflops, "no step would end")
    return LinkCost(
        compute_seconds=compute_seconds,
        # A ring sends every byte twice, whatever the number of devices.
        bytes_per_second=1e9 * machine.link_gb_per_second / 2,
        latency_seconds=1e-6 * machine.latency_us,
    )


def machine(config) -> Machine:
    """What compiled schedules are replayed on: `config.machine`."""
    stated = config.machine
    return Machine(
        flops_per_second=1e12 * stated.device_tflops,
        memory_bytes_per_second=1e12 * stated.memory_tb_per_second,
        launch_seconds=2e-6,
        link_bytes_per_second=1e9 * stated.link_gb_per_second,
        link_seconds=1e-6 * stated.latency_us,
    )


def reduction_plan(config, gradients: list[Gradient], cost: LinkCost) -> ReductionPlan:
    """Makes the plan that `config.parallel` asks for; of "tuned" one candidate's."""
    parallel = config.parallel
    policy = "optimal" if parallel.policy == TUNED else parallel.policy
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
        policy,
        wire_dtype=parallel.wire_dtype or None,
        cost=cost,
        **settings.get(policy, {}),
    )
