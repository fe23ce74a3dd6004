"""One process of `benchmarks.netlab`: takes steps every way and says how long."""

import json
import pathlib
import statistics

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax.sharding import AxisType, Mesh, PartitionSpec

from parallel.mesh import sharding, spmd, to_mesh
from parallel.production_order import production_order
from parallel.reduction import mean_over
from parallel.reduction_plan import make_plan
from parallel.segmented_gradient import SegmentedGradient, mean_over_processes
from parallel.step_trials import take_turns

_ADDRESS = flags.DEFINE_string("address", None, "Of process 0.", required=True)
_COUNT = flags.DEFINE_integer("count", None, "Of all processes.", required=True)
_NUMBER = flags.DEFINE_integer("number", None, "Of this process.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", None, "Of timed steps.", required=True)
_EXAMPLES = flags.DEFINE_integer("examples", None, "Of all.", required=True)
_RESULT = flags.DEFINE_string("result", None, "Where to write.", required=True)

AXIS = "data"
LAYERS, WIDTH = 8, 256  # 2.1 MB of gradients
GROUPS = (1, 2, 4, 8)
TRIALS = 5  # rounds that the choice is made by
ONE_PROGRAM, ALONE = "one program", "communication skipped"


def _params():
    keys = jax.random.split(jax.random.key(0), LAYERS)
    return {
        f"layer_{i}": {
            "kernel": jax.random.normal(key, (WIDTH, WIDTH)) / WIDTH**0.5,
            "bias": jnp.zeros(WIDTH),
        }
        for i, key in enumerate(keys)
    }


def _loss(params, x):
    for i in range(LAYERS):
        layer = params[f"layer_{i}"]
        x = jnp.tanh(x @ layer["kernel"] + layer["bias"][None])
    return jnp.mean(x**2)


def _one_program(mesh, params, x):
    """The compiler's own way: gradients and their mean in one program."""
    reduction = mean_over(AXIS)

    def step(params, x):
        loss, grads = jax.value_and_grad(_loss)(reduction.as_local(params), x[0])
        return reduction.mean(loss), reduction.reduce(grads)

    every = PartitionSpec()
    program = spmd(step, mesh, (every, PartitionSpec(AXIS)), every)
    params = to_mesh(jax.tree.map(np.asarray, params), sharding(mesh))
    examples = to_mesh(np.asarray(x)[None], sharding(mesh, AXIS))
    return lambda: program(params, examples)


def _segmented(gradients, mean, num_groups, params, x):
    grad_fn = jax.value_and_grad(_loss)
    plan = make_plan(gradients, "chunks", num_groups=num_groups)
    gradient = SegmentedGradient(grad_fn, plan, mean, params, x)
    return lambda: gradient(params, x)


def _same(found, expected) -> None:
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b.addressable_data(0))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)


def main(argv: list[str]) -> None:
    """Chooses a way by a few steps, then times all of them."""
    del argv
    jax.config.update("jax_num_cpu_devices", 1)
    jax.distributed.initialize(_ADDRESS.value, _COUNT.value, _NUMBER.value)
    mesh = Mesh(np.array(jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))
    params = _params()
    key = jax.random.fold_in(jax.random.key(1), _NUMBER.value)
    x = jax.random.normal(key, (_EXAMPLES.value // _COUNT.value, WIDTH))
    gradients = production_order(jax.grad(_loss), params, x)
    alone = jax.jit(jax.value_and_grad(_loss))
    mean = mean_over_processes(mesh, AXIS)
    ways = {ONE_PROGRAM: _one_program(mesh, params, x)}
    for n in GROUPS:
        # One group is one reduction after the gradient: nothing to overlap it with.
        ways[f"{n} group{'s' if n > 1 else ''} on a thread"] = _segmented(
            gradients, mean, n, params, x
        )
    expected = ways[ONE_PROGRAM]()[1]
    for way in ways.values():
        _same(way()[1], expected)
    chosen = take_turns(ways, TRIALS).fastest
    times = take_turns({**ways, ALONE: lambda: alone(params, x)}, _ROUNDS.value)
    if _NUMBER.value == 0:
        quartiles = {
            way: statistics.quantiles(took, n=4)[::2]
            for way, took in times.seconds.items()
        }
        result = {
            "gradient_bytes": 4 * sum(gradient.size for gradient in gradients),
            "rounds": _ROUNDS.value,
            "chosen": chosen,
            "median_seconds": {way: times.median(way) for way in times.seconds},
            "quartile_seconds": quartiles,
        }
        pathlib.Path(_RESULT.value).write_text(json.dumps(result))
    jax.distributed.shutdown()


if __name__ == "__main__":
    app.run(main)
