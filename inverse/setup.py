"""Everything that a run, an evaluation or a prediction stands on."""

import pathlib
import tempfile
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh, PartitionSpec

from inverse import factories
from inverse.density import memory
from inverse.errors import ConfigError
from inverse.factories import Network
from inverse.train_state import TrainState, create_train_state
from inverse.train_step import make_train_step
from parallel.compiler_options import compiler_options, convolution_options
from parallel.consensus import require_agreement, source_digest
from parallel.link_cost import LinkCost
from parallel.mesh import (
    DATA_AXIS,
    from_first_process,
    make_mesh,
    process_block,
    sharding,
    spmd,
)
from parallel.plan_check import require_plan
from parallel.production_order import Gradient, production_order, program_flops
from parallel.reduction import planned
from parallel.reduction_plan import ReductionPlan
from parallel.reduction_route import planned_route
from parallel.run_log import log
from parallel.tuner import Candidate, candidates, table, try_all

_REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
# It runs once: on a CPU, optimising it takes longer than all that it does.
_QUICK_COMPILE = {"cpu": {"xla_backend_optimization_level": 0}}
_ROOMS = ("inverse", "parallel", "input_pipeline")


class Setup(NamedTuple):
    """What is made once from a configuration and the devices.

    Attributes:
      mesh: all devices, on the data axis.
      network: what is trained.
      optimizer: optax transformation.
      learning_rate: by step, for the log.
      plan: of the gradients' reduction.
      dtype: name of the type that the network computes in.
      batch_size: of a step, over all devices.
      state_layout: sharding of every leaf of the state.
      batch_layout: sharding of every leaf of the batches.
      key: source of all random numbers.
    """

    mesh: Mesh
    network: Network
    optimizer: optax.GradientTransformation
    learning_rate: optax.Schedule
    plan: ReductionPlan
    dtype: str
    batch_size: int
    state_layout: Any
    batch_layout: Any
    key: jax.Array

    @property
    def block(self) -> slice:
        """Positions of every batch that this process feeds."""
        return process_block(self.mesh, 1, self.batch_size)[1]

    def _create(self) -> TrainState:
        key = jax.random.fold_in(self.key, 0)
        return create_train_state(key, self.network.make, self.optimizer, self.dtype)

    def create_state(self) -> TrainState:
        """Creates the state, the same one on every device."""
        create = jax.jit(
            self._create,
            out_shardings=self.state_layout,
            compiler_options=_QUICK_COMPILE.get(jax.default_backend(), {}),
        )
        return create()

    def abstract_state(self, layout: Any = None) -> TrainState:
        """Shapes of the state, with `layout` as sharding."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout),
            jax.eval_shape(self._create),
        )


def _gradients_and_cost(config, network: Network) -> tuple[list[Gradient], LinkCost]:
    """The gradients in the order in which the program makes them, and what they cost.

    Of a network whose batch statistics are its own: no tracer knows the axis here, and
    the order is the same.
    """
    shapes = (network.params, network.batch_stats, *factories.batch_shapes(config))
    grad_fn = jax.grad(factories.make_loss(network))
    cost = factories.link_cost(config, program_flops(grad_fn, *shapes))
    return production_order(grad_fn, *shapes), cost


def make_plan(config, network: Network) -> ReductionPlan:
    """Reads the order of the gradients off the program and groups them."""
    return factories.reduction_plan(config, *_gradients_and_cost(config, network))


def make_setup(config, devices: list | None = None) -> Setup:
    """Makes a `Setup`; `devices` are all devices by default."""
    devices = jax.devices() if devices is None else devices
    batch_size = config.per_device_batch_size * len(devices)
    if config.dataset.num_examples % batch_size:
        raise ConfigError(
            f"config.dataset.num_examples={config.dataset.num_examples}: must be a "
            f"multiple of the {batch_size} examples that {len(devices)} devices take."
        )
    mesh = make_mesh(1, batch_size, devices)
    shared = config.model.batch_statistics == "shared"
    optimizer, learning_rate = factories.make_optimizer(config)
    platform = devices[0].platform
    return Setup(
        mesh=mesh,
        network=factories.make_network(
            config,
            DATA_AXIS if shared else None,
            remat=memory.needs_remat(config),
            platform=platform,
        ),
        optimizer=optimizer,
        learning_rate=learning_rate,
        plan=make_plan(config, factories.make_network(config, platform=platform)),
        dtype=config.model.dtype,
        batch_size=batch_size,
        state_layout=sharding(mesh),
        batch_layout=sharding(mesh, DATA_AXIS),
        key=jax.random.key(config.seed),
    )


def make_step(config, setup: Setup, way: Candidate | None = None):
    """Returns the step of all devices; it is compiled when it is first called.

    Args:
      config: the whole configuration.
      setup: of the run.
      way: to reduce the gradients; as `setup.plan` says if None.
    """
    device = setup.mesh.devices.flat[0]
    if way is None:
        options = compiler_options(device.platform, device.device_kind)
        way = Candidate("", planned(setup.plan, DATA_AXIS), options, setup.plan)
    train_step = make_train_step(
        setup.network,
        factories.make_loss_fn(config),
        setup.optimizer,
        way.reduction,
        ema_decay=config.optimizer.ema_decay,
        num_micro_batches=config.parallel.micro_batches,
        dropout_key=jax.random.fold_in(setup.key, 1) if config.model.dropout else None,
    )
    replicated, divided = PartitionSpec(), PartitionSpec(DATA_AXIS)
    return spmd(
        train_step,
        setup.mesh,
        in_specs=(replicated, divided),
        out_specs=replicated,
        donate_argnums=(0,),
        compiler_options=way.options | convolution_options(device.platform),
    )


def compile_step(config, setup: Setup, state: TrainState, batch: dict):
    """Compiles the step, once all processes agree and its plan is seen to hold.

    With config.parallel.policy="tuned" every way to reduce is compiled, the compiler's
    own among them, and the one whose schedule is predicted to be the shortest is kept.

    Raises:
      RunError: processes differ, or the compiled program departs from the plan.
    """
    require_agreement(
        {
            "the reduction plan": setup.plan.to_json(),
            "the configuration": config.to_json(),
            "the code": source_digest([_REPOSITORY / room for room in _ROOMS]),
        }
    )
    if setup.mesh.size == 1:
        log.info("one device: nothing is reduced")
        return make_step(config, setup).lower(state, batch).compile()
    if config.parallel.policy == factories.TUNED:
        plan, compiled = _tuned_step(config, setup, state, batch)
    else:
        plan, compiled = setup.plan, make_step(config, setup)
        compiled = compiled.lower(state, batch).compile()
    if plan is not None:
        route = planned_route(setup.mesh, DATA_AXIS)
        require_plan(plan, compiled.as_text(), config.parallel.verify, route)
    return compiled


def _tuned_step(config, setup: Setup, state: TrainState, batch: dict):
    """The plan (None: the compiler's own way) and program that are predicted best."""
    device, programs = setup.mesh.devices.flat[0], {}
    platform = device.platform
    every = candidates(
        *_gradients_and_cost(config, factories.make_network(config, platform=platform)),
        DATA_AXIS,
        platform,
        config.parallel.wire_dtype or None,
        device.device_kind,
    )

    def compile_with(reduction, options) -> str:
        way = Candidate("", reduction, options, None)
        program = make_step(config, setup, way).lower(state, batch).compile()
        text = program.as_text()
        programs[id(reduction), str(sorted(options.items()))] = program
        return text

    with tempfile.TemporaryDirectory() as profiles:
        machine = factories.machine(config)
        trials = try_all(every, compile_with, machine, pathlib.Path(profiles))
    log.info("every way to reduce, predicted:\n%s", table(trials))
    # All must take the same one: predictions of a program agree, but for what compilers
    # on different hosts make of it.
    names = [candidate.name for candidate in every]
    number = from_first_process(names.index(trials[0].candidate.name))
    (best,) = [t for t in trials if t.candidate.name == names[int(number)]]
    log.info("kept: %s", best.candidate.name)
    key = id(best.candidate.reduction), str(sorted(best.candidate.options.items()))
    return best.candidate.plan, programs[key]
