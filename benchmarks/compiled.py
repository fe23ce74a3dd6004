"""What compilers make of each way to reduce gradients, without the devices.

python -m benchmarks.compiled --workloads=density_paper --targets=h200_4x8,v5p_8

Predictions replay the compiler's schedule on a described machine: they are a model, and
no measurement. What is in the results already is not compiled again.
"""

import hashlib
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
from absl import app, flags
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks import results_file
from benchmarks.targets import LINK_SECONDS, LINKS, TARGETS, Target
from benchmarks.workloads import WORKLOADS, Workload
from parallel.hlo_program import read_program
from parallel.link_cost import LinkCost, least_exposed_seconds
from parallel.production_order import Gradient, production_order
from parallel.reduction import mean_over
from parallel.reduction_plan import wire_bytes
from parallel.schedule_cost import Machine, predict, replay
from parallel.trace_events import plan_events, write_trace
from parallel.tuner import DEFAULT, Trial, candidates, table, try_all

_WORKLOADS = flags.DEFINE_list("workloads", list(WORKLOADS), "To compile.")
_TARGETS = flags.DEFINE_list("targets", list(TARGETS), "To compile for.")
_LINKS = flags.DEFINE_list(
    "links_gb_per_second",
    [f"{link:g}" for link in LINKS],
    "Of one device, one at a time.",
)
_CANDIDATES = flags.DEFINE_list(
    "candidates", [], "Names of those to try; all if empty."
)
_TEXTS = flags.DEFINE_string("texts", "runs/compiled", "Where compiled texts are kept.")
_TIMELINES = flags.DEFINE_string(
    "timelines", "", "Directory for timelines that Perfetto opens; none if empty."
)
_AGAIN = flags.DEFINE_boolean("again", False, "Compile what is in the results too.")

AXIS = "data"
NAME = "compiled"


def _laid_out(tree: Any, mesh: Mesh, spec: PartitionSpec, copies: int = 1) -> Any:
    """Shapes of a tree on the mesh; `copies` times as many examples."""
    layout = NamedSharding(mesh, spec)

    def lay_out(x):
        shape = (x.shape[0] * copies, *x.shape[1:]) if copies > 1 else x.shape
        return jax.ShapeDtypeStruct(shape, x.dtype, sharding=layout)

    return jax.tree.map(lay_out, tree)


class StepCompiler:
    """Compiles a workload's step once for every way to reduce, and keeps the text."""

    def __init__(self, workload: Workload, target: Target, texts: pathlib.Path):
        """Lays the workload out on `target`; nothing is compiled yet."""
        self.workload, self.target, self.texts = workload, target, texts
        self.mesh = target.mesh(AXIS)

    def __call__(self, reduction, options) -> str:
        """Optimized HLO of the step with this reduction under these options."""
        all_, by_example = PartitionSpec(), PartitionSpec(AXIS)
        workload, mesh = self.workload, self.mesh

        def step(params, fixed, *batch):
            loss, grads = jax.value_and_grad(workload.loss_fn)(
                reduction.as_local(params), fixed, *batch
            )
            return reduction.mean(loss), reduction.reduce(grads)

        sharded = jax.shard_map(
            step,
            mesh=mesh,
            in_specs=(all_, all_, *[by_example] * len(workload.batch)),
            out_specs=all_,
        )
        lowered = jax.jit(sharded, compiler_options=options or None).lower(
            _laid_out(workload.params, mesh, all_),
            _laid_out(workload.fixed, mesh, all_),
            *_laid_out(workload.batch, mesh, by_example, mesh.size),
        )
        # Plans for different links are often the same program, and a run that was cut
        # short goes on where it was.
        described = f"{self.target} {jax.__version__} {sorted(options.items())}"
        key = hashlib.sha256(f"{described} {lowered.as_text()}".encode()).hexdigest()
        path = self.texts / f"{key}.txt"
        if not path.exists():
            start = time.perf_counter()
            text = lowered.compile().as_text()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"compiled in {time.perf_counter() - start:.0f} s", flush=True)
        return path.read_text()


def link_cost(machine: Machine, num_devices: int, compute_seconds: float) -> LinkCost:
    """The link of `machine` as plans see it, in a ring of `num_devices`."""
    passes = 2 * (num_devices - 1) / num_devices
    return LinkCost(
        compute_seconds=compute_seconds,
        bytes_per_second=machine.link_bytes_per_second / passes,
        latency_seconds=machine.link_seconds,
    )


def _row(link: float, trial: Trial) -> dict[str, Any]:
    plan = trial.candidate.plan
    return {
        "link_gb_per_second": link,
        "candidate": trial.candidate.name,
        "compiler_options": trial.candidate.options,
        "groups": len(plan.groups) if plan else None,
        "wire_bytes": plan.num_bytes if plan else None,
        "holds": trial.holds,
        **trial.prediction._asdict(),
        "exposed_seconds": trial.exposed_seconds,
        "hidden_share": trial.hidden_share,
    }


def _bound(link: float, gradients: list[Gradient], dtype: str, cost) -> dict[str, Any]:
    """What no plan can hide, if the last gradient is the end of the compute."""
    num_bytes = wire_bytes(gradients, dtype)
    least = least_exposed_seconds([g.ready for g in gradients], num_bytes, cost)
    return {
        "link_gb_per_second": link,
        "exposed_seconds": least,
        "hidden_share": 1 - least / cost.seconds(sum(num_bytes)),
    }


def _write_timelines(name: str, trials, compile_step, machine, cost) -> None:
    """Writes the fastest way, its plan and the compiler's own under each other."""
    fastest = trials[0].candidate
    own = next(t.candidate for t in trials if t.candidate.name == DEFAULT)
    timelines = {}
    if fastest.plan:
        timelines["planned"] = plan_events(fastest.plan, cost)
    for candidate in (fastest, own):
        text = compile_step(candidate.reduction, candidate.options)
        events = replay(read_program(text), machine)[1]
        timelines[f"replayed: {candidate.name}"] = events
    path = pathlib.Path(_TIMELINES.value) / f"{name.replace(' ', '_')}.json"
    print(write_trace(path, timelines))


def compare(
    name: str, make: Callable[[str | None], Workload], target: Target
) -> dict[str, Any]:
    """Compiles every way to reduce once, and replays it on every link."""
    alone, workload = make(None), make(AXIS)
    shapes = (alone.params, alone.fixed, *alone.batch)
    gradients = production_order(jax.grad(alone.loss_fn), *shapes)
    compile_step = StepCompiler(workload, target, pathlib.Path(_TEXTS.value))
    mesh = compile_step.mesh
    own = read_program(compile_step(mean_over(AXIS, workload.wire_dtype), {}))
    rows, bounds = [], []
    for link in map(float, _LINKS.value):
        machine = target.machine(link)
        seconds = predict(own, machine).compute_seconds
        cost = link_cost(machine, mesh.size, seconds)
        every = candidates(
            gradients,
            cost,
            AXIS,
            target.platform,
            workload.wire_dtype,
            mesh.devices.flat[0].device_kind,
        )
        wanted = [c for c in every if c.name in (_CANDIDATES.value or [c.name])]
        trials = try_all(wanted, compile_step, machine, compile_step.texts)
        bounds.append(_bound(link, gradients, workload.wire_dtype, cost))
        print(
            f"{name}, links of {link:g} GB/s\n{table(trials)}\n"
            "If the last gradient ends the compute, no grouping hides more than "
            f"{bounds[-1]['hidden_share']:.1%}, "
            f"{1e3 * bounds[-1]['exposed_seconds']:.3f} ms stay exposed.\n",
            flush=True,
        )
        if _TIMELINES.value:
            about = f"{name} at {link:g} GB"
            _write_timelines(about, trials, compile_step, machine, cost)
        rows += [_row(link, trial) for trial in trials]
    return {
        "target": {**target._asdict(), "link_seconds": LINK_SECONDS},
        "num_devices": mesh.size,
        "num_tensors": len(gradients),
        "num_parameters": sum(gradient.size for gradient in gradients),
        "bounds": bounds,
        "trials": rows,
    }


def main(argv: list[str]) -> None:
    """Adds one run to the results for each workload and target."""
    del argv
    path = results_file.DIRECTORY / f"{NAME}.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    for target in _TARGETS.value:
        for workload in _WORKLOADS.value:
            name = f"{workload} on {target}"
            if name in runs and not _AGAIN.value:
                continue
            print(f"{name}, beside {DEFAULT}", flush=True)
            made = compare(name, WORKLOADS[workload], TARGETS[target])
            runs[name] = {"date": results_file.today(), **made}
            results = {
                "command": "make compiled",
                "kind": "a model of the compiler's schedule, not measured",
                "runs": runs,
            }
            results_file.write(NAME, results)


if __name__ == "__main__":
    app.run(main)
