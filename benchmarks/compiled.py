"""What compilers make of each way to reduce gradients, without the devices.

python -m benchmarks.compiled --platform=cuda --topology=1x4x8 \
    --gpu_description=FILE [--config=configs/stem_density.py:reduced]

Predictions replay the compiler's schedule on a described machine: they are a model, and
no measurement.
"""

import pathlib
import time

import jax
from absl import app, flags
from jax.sharding import NamedSharding, PartitionSpec
from ml_collections import config_flags

from benchmarks import results_file
from inverse import factories
from parallel.described_devices import described_mesh
from parallel.hlo_program import read_program
from parallel.production_order import production_order, program_flops
from parallel.schedule_cost import Machine, predict
from parallel.tuner import candidates, table, try_all

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_density.py:reduced", "The workload."
)
_PLATFORM = flags.DEFINE_enum("platform", "cuda", ["cuda", "tpu"], "To compile for.")
_TOPOLOGY = flags.DEFINE_string("topology", "1x4x8", "E.g. 1x4x8, or v5p:2x2x2.")
_GPU = flags.DEFINE_string("gpu_description", None, "File that describes the GPU.")
_TFLOPS = flags.DEFINE_float("tflops", 400.0, "Sustained by a device in products.")
_MEMORY = flags.DEFINE_float("memory_tb_per_second", 4.0, "Of a device's memory.")
_LINKS = flags.DEFINE_list(
    "links_gb_per_second", ["200", "50", "25", "5"], "Of one device, one at a time."
)

AXIS = "data"


def _machine(gb_per_second: float) -> Machine:
    return Machine(
        flops_per_second=1e12 * _TFLOPS.value,
        memory_bytes_per_second=1e12 * _MEMORY.value,
        launch_seconds=2e-6,
        link_bytes_per_second=1e9 * gb_per_second,
        link_seconds=20e-6,
    )


def _laid_out(tree, mesh, spec, copies=1):
    """Shapes of a tree on the mesh; `copies` times as many examples."""
    layout = NamedSharding(mesh, spec)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            (x.shape[0] * copies, *x.shape[1:]) if copies > 1 else x.shape,
            x.dtype,
            sharding=layout,
        ),
        tree,
    )


def _make_compiler(config, mesh):
    """Returns compile_step(reduction, options) -> text, and keeps what it made."""
    network = factories.make_network(config, AXIS)
    loss_fn = factories.make_loss(network)
    all_, by_example = PartitionSpec(), PartitionSpec(AXIS)
    arguments = (
        _laid_out(network.params, mesh, all_),
        _laid_out(network.batch_stats, mesh, all_),
        *_laid_out(factories.batch_shapes(config), mesh, by_example, mesh.size),
    )

    def compile_step(reduction, options):
        def step(params, batch_stats, patterns, density):
            loss, grads = jax.value_and_grad(loss_fn)(
                reduction.as_local(params), batch_stats, patterns, density
            )
            return reduction.mean(loss), reduction.reduce(grads)

        sharded = jax.shard_map(
            step,
            mesh=mesh,
            in_specs=(all_, all_, by_example, by_example),
            out_specs=all_,
        )
        start = time.perf_counter()
        lowered = jax.jit(sharded, compiler_options=options or None).lower(*arguments)
        text = lowered.compile().as_text()
        print(f"compiled in {time.perf_counter() - start:.0f} s", flush=True)
        return text

    return compile_step


def main(argv: list[str]) -> None:
    """Compiles every candidate once, replays it on every link, writes a table."""
    del argv
    config = _CONFIG.value
    description = pathlib.Path(_GPU.value).read_text() if _GPU.value else None
    mesh = described_mesh(_PLATFORM.value, _TOPOLOGY.value, AXIS, description)
    network = factories.make_network(config)
    shapes = (network.params, network.batch_stats, *factories.batch_shapes(config))
    grad_fn = jax.grad(factories.make_loss(network))
    gradients = production_order(grad_fn, *shapes)
    cost = factories.link_cost(config, program_flops(grad_fn, *shapes))
    wire_dtype = config.parallel.wire_dtype or None
    every = candidates(gradients, cost, AXIS, _PLATFORM.value, wire_dtype)
    kept, compile_step = {}, _make_compiler(config, mesh)

    def compile_once(reduction, options):
        key = id(reduction)
        if key not in kept:
            kept[key] = compile_step(reduction, options)
        return kept[key]

    rows = []
    for link in map(float, _LINKS.value):
        trials = try_all(every, compile_once, _machine(link))
        print(f"links of {link:g} GB/s\n{table(trials)}\n", flush=True)
        rows += [
            {
                "link_gb_per_second": link,
                "candidate": trial.candidate.name,
                "groups": len(trial.candidate.plan.groups)
                if trial.candidate.plan
                else 0,
                "holds": trial.holds,
                **trial.prediction._asdict(),
                "hidden_share": trial.prediction.hidden_share,
            }
            for trial in trials
        ]
    alone = predict(read_program(next(iter(kept.values()))), _machine(1e9))
    name = f"compiled_{_PLATFORM.value}_{_TOPOLOGY.value}".replace(":", "_")
    results = {
        "kind": "a model of the compiler's schedule, not measured",
        "platform": _PLATFORM.value,
        "topology": _TOPOLOGY.value,
        "num_devices": mesh.size,
        "config": config.to_dict(),
        "machine": _machine(0.0).__dict__ | {"link_bytes_per_second": None},
        "compute_seconds": alone.compute_seconds,
        "trials": rows,
    }
    print(results_file.write(name, results))


if __name__ == "__main__":
    app.run(main)
