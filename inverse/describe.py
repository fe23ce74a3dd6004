"""Says what a run would do and how gradients would be reduced, and does neither."""

import jax

from inverse import factories
from inverse.check_config import check_config
from inverse.density import memory
from inverse.setup import make_setup
from parallel import scaling_report
from parallel.compiler_options import compiler_options
from parallel.compute_timeline import ReadyGradient
from parallel.link_cost import LinkCost
from parallel.production_order import production_order, program_flops
from parallel.reduction_plan import ReductionPlan
from parallel.scaling_assumptions import Assumptions


def describe_plan(config, num_devices: int | None = None) -> None:
    """Prints the network's size, the reduction plan and what it is predicted to hide.

    Args:
      config: the whole configuration.
      num_devices: if given, a run on that many devices is predicted as well.
    """
    check_config(config)
    network = factories.make_network(config)
    shapes = (network.params, network.batch_stats, *factories.batch_shapes(config))
    grad_fn = jax.grad(factories.make_loss(network))
    gradients = production_order(grad_fn, *shapes)
    flops = program_flops(grad_fn, *shapes)
    cost = factories.link_cost(config, flops)
    plan = factories.reduction_plan(config, gradients, cost)
    num_params = sum(gradient.size for gradient in gradients)
    machine = config.machine
    print(
        f"network: {num_params / 1e6:,.2f} M parameters in {len(gradients)} tensors, "
        f"{flops / 1e12:,.3f} TFLOP a step of {config.per_device_batch_size} samples"
    )
    print(
        f"assumed: {machine.device_tflops:g} TFLOP/s sustained, a ring over links of "
        f"{machine.link_gb_per_second:g} GB/s, {machine.latency_us:g} us a reduction"
    )
    if config.parallel.policy == factories.TUNED:
        print(
            "config.parallel.policy='tuned': chosen when the step is compiled, among "
            "these and the compiler's own way; here is what 'optimal' makes"
        )
    print(plan.table(cost))
    options = compiler_options(machine.platform)
    print(f"compiler options for {machine.platform}: {options}")
    if num_devices is not None:
        print(
            "\nBelow, the published machine's network (see Assumptions), whatever "
            "config.machine says of a link:\n\n"
            f"{_predicted_run(plan, cost, num_devices)}"
        )


def describe(config, num_devices: int | None = None) -> None:
    """Prints configuration, plan, memory, work and predicted times of a run.

    Args:
      config: the whole configuration.
      num_devices: of the run that is described; those of this machine by default.
    """
    check_config(config)
    print(config)
    describe_plan(config)
    setup = make_setup(config, jax.devices()[:1])
    devices = num_devices or jax.device_count()
    print(
        f"a step: {devices} devices x {config.per_device_batch_size} samples in "
        f"{config.parallel.micro_batches} parts; {config.num_steps:,} steps"
    )
    if config.task == "density":  # only its layers are known to the estimate
        _describe_memory(config, setup)
    grad_fn = jax.grad(factories.make_loss(factories.make_network(config)))
    network = setup.network
    shapes = (network.params, network.batch_stats, *factories.batch_shapes(config))
    flops = program_flops(grad_fn, *shapes)
    cost = factories.link_cost(config, flops)
    exposed = setup.plan.exposed_seconds(cost) if devices > 1 else 0.0
    print(
        f"predicted step of {devices} devices under the assumptions above: "
        f"{1e3 * cost.compute_seconds:,.1f} ms of compute ({flops / 1e12:,.2f} TFLOP a "
        f"device) + {1e3 * exposed:,.1f} ms of exposed communication, "
        f"{setup.plan.num_bytes / 1e6 if devices > 1 else 0:,.1f} MB reduced"
    )


def _describe_memory(config, setup) -> None:
    print("memory per device [MiB], estimated, without what the compiler adds:")
    print("  dense blocks      state  gradients   batch        kept   again      total")
    largest_group = max(group.num_bytes for group in setup.plan.groups)
    for remat in (False, True):
        found = memory.estimate(config, remat=remat, largest_group=largest_group)
        numbers = [size / (1 << 20) for size in (*found, found.total)]
        how = "made again" if remat else "kept"
        chosen = ""
        if remat == memory.needs_remat(config):
            chosen = f" <- config.model.remat={config.model.remat!r}"
        print(
            f"  {how:12s}"
            + "{:11,.1f}{:11,.1f}{:8,.1f}{:12,.1f}{:8,.1f}{:11,.1f}".format(*numbers)
            + chosen
        )


def _predicted_run(plan: ReductionPlan, cost: LinkCost, num_devices: int) -> str:
    """Tables of the scaling model for this plan, on the published machine's network."""
    timeline = tuple(
        ReadyGradient(f"group {number}", group.ready, group.num_bytes)
        for number, group in enumerate(plan.groups)
    )
    assumptions = Assumptions(
        compute_seconds=cost.compute_seconds, num_tensors=len(plan.names)
    )
    return scaling_report.report(num_devices, assumptions, timeline)
