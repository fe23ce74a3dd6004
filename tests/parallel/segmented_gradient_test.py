"""A gradient in parts is the gradient, and the plan orders its reductions."""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from parallel.linear_program import cut, linear_program
from parallel.mesh import DATA_AXIS, make_mesh, spmd
from parallel.production_order import production_order
from parallel.reduction_plan import ReductionPlan, make_plan
from parallel.segmented_gradient import SegmentedGradient, mean_in_its_type
from tests.parallel.production_order_test import LAYERS

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTH = 6
NAMES = ["m", "c", "z", "a"]
X = jax.random.normal(jax.random.key(9), (5, WIDTH))


def weights():
    keys = jax.random.split(jax.random.key(0), len(NAMES))
    layers = {
        name: {
            "kernel": jax.random.normal(key, (WIDTH, WIDTH)),
            "bias": jnp.ones(WIDTH),
        }
        for name, key in zip(NAMES, keys, strict=True)
    }
    return {**layers, "unused": jnp.ones(3)}


def loss_fn(params, x, layer=LAYERS["plain"]):
    for name in NAMES:
        x = layer(params[name], x)
    return jnp.sum(x**2)


def segmented(mean, policy="per_block", layer=LAYERS["plain"], **settings):
    grad_fn = jax.value_and_grad(lambda params, x: loss_fn(params, x, layer))
    order = production_order(lambda *a: grad_fn(*a)[1], weights(), X)
    plan = make_plan(order, policy, **settings)
    return SegmentedGradient(grad_fn, plan, mean, weights(), X), plan


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
@pytest.mark.parametrize("policy", ["per_block", "per_leaf", "one"])
def test_the_parts_give_the_whole_gradient(policy, layer):
    gradient, _ = segmented(lambda buffer: buffer, policy, layer)
    loss, found = gradient(weights(), X)
    expected_loss, expected = jax.jit(jax.value_and_grad(loss_fn))(weights(), X)
    gradient.close()
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_buffers_are_reduced_in_the_order_of_the_plan():
    seen = []

    def mean(buffer):
        seen.append(buffer.size)
        return 2 * buffer

    gradient, plan = segmented(mean, "per_leaf")
    _, found = gradient(weights(), X)
    gradient.close()
    assert seen == [sum(group.sizes) for group in plan.groups]
    expected = jax.jit(jax.grad(loss_fn))(weights(), X)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, 2 * b, rtol=1e-5, atol=1e-6)


def test_no_operation_runs_twice_and_a_part_does_no_more_than_it_must():
    grad_fn = jax.value_and_grad(loss_fn)
    program = linear_program(grad_fn, weights(), X)
    order = production_order(jax.grad(loss_fn), weights(), X)
    names = sorted(g.name for g in order)
    of_name = dict(zip(names, program.outputs[1:], strict=True))
    wanted = [[of_name[g.name]] for g in order]
    segments = cut(program, wanted)
    products = [
        str(jax.make_jaxpr(s.run)(*_values(program, s, segments))).count("dot_general[")
        for s in segments
    ]
    in_whole = sum(o.eqn.primitive.name == "dot_general" for o in program.operations)
    # All forward products but for the first gradient, then what each one adds.
    assert sum(products) == in_whole
    assert products[0] <= len(NAMES) + 1


def _values(program, segment, segments):
    """Zeros of the right shapes for a segment's inputs."""
    shapes = {}
    for operation in program.operations:
        for number, var in zip(operation.outputs, operation.eqn.outvars, strict=True):
            shapes[number] = var.aval
        for number, var in zip(operation.inputs, operation.eqn.invars, strict=True):
            if isinstance(number, int):
                shapes[number] = var.aval
    return [jnp.zeros(shapes[n].shape, shapes[n].dtype) for n in segment.inputs]


def test_an_error_of_the_communication_reaches_the_step():
    def broken(buffer):
        raise ConnectionError("peer is gone")

    gradient, _ = segmented(broken)
    with pytest.raises(ConnectionError, match="peer is gone"):
        gradient(weights(), X)
    gradient.close()


def test_plans_that_cannot_be_followed_are_refused():
    with pytest.raises(ValueError, match="wire_dtype='int8' needs the memory"):
        segmented(lambda buffer: buffer, wire_dtype="int8")
    grad_fn = jax.value_and_grad(loss_fn)
    none = ReductionPlan("none", ())
    with pytest.raises(ValueError, match="is of other gradients"):
        SegmentedGradient(grad_fn, none, lambda buffer: buffer, weights(), X)
    nothing = jax.value_and_grad(lambda params: 1.0)
    with pytest.raises(ValueError, match="without groups"):
        SegmentedGradient(nothing, none, lambda buffer: buffer, {})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_mean_of_large_numbers_stays_in_its_type(dtype):
    """The sum of eight times 20,000 is beyond float16."""
    every, mesh = PartitionSpec(), make_mesh(1, 8, jax.devices())
    mean = spmd(lambda x: mean_in_its_type(x, DATA_AXIS), mesh, every, every)
    found = mean(jnp.full(3, 20_000, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype("float32"), 20_000, rtol=2**-8)


PROGRAM = """
import sys
import jax
import numpy as np

port, count, number = map(int, sys.argv[1:])
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 1)
jax.distributed.initialize(f"localhost:{port}", count, number)
from jax.sharding import AxisType, Mesh
from parallel.segmented_gradient import mean_over_processes
from tests.parallel.segmented_gradient_test import X, loss_fn, segmented, weights

mesh = Mesh(np.array(jax.devices()), ("data",), axis_types=(AxisType.Auto,))
gradient, _ = segmented(mean_over_processes(mesh, "data"))
for _ in range(3):
    _, found = gradient(weights(), X * (1 + number))
grad = jax.jit(jax.grad(loss_fn))
parts = [grad(weights(), X * (1 + n)) for n in range(count)]
expected = jax.tree.map(lambda *g: sum(g) / count, *parts)
for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
gradient.close()
print("alike")
"""


@pytest.mark.parametrize("count", [1, 3])
def test_real_processes_get_the_mean_of_all(count):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, port, str(count), str(number)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for out, err in [process.communicate(timeout=180) for process in processes]:
        assert out.splitlines()[-1:] == ["alike"], err
