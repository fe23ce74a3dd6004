"""A small network whose gradients are reduced by a plan, compiled for eight devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from parallel.compiler_options import compiler_options
from parallel.link_cost import LinkCost
from parallel.mesh import DATA_AXIS, make_mesh
from parallel.production_order import production_order
from parallel.reduction import mean_over
from parallel.reduction_plan import make_plan

DEPTH, WIDTH, BATCH = 6, 16, 16
COST = LinkCost(compute_seconds=1e-3, bytes_per_second=4e6, latency_seconds=1e-5)
POLICIES = {
    "per_leaf": {},
    "one": {},
    "per_block": {},
    "chunks": {"num_groups": 4},
    "byte_bounds": {"first": 1100, "largest": 2300, "last": 1100},
    "optimal": {"cost": COST},
}


def weights():
    key = jax.random.key(0)
    return {
        f"layer_{DEPTH - i}": {
            "kernel": jax.random.normal(jax.random.fold_in(key, i), (WIDTH, WIDTH)) / 4,
            "bias": jnp.zeros(WIDTH),
        }
        for i in range(DEPTH)
    }


def loss_fn(weights, x):
    for i in range(DEPTH):
        layer = weights[f"layer_{DEPTH - i}"]
        x = jnp.tanh(x @ layer["kernel"] + layer["bias"][None])
    return jnp.mean(x**2)


def examples():
    return jax.random.normal(jax.random.key(7), (BATCH, WIDTH))


def gradients():
    return production_order(jax.grad(loss_fn), weights(), examples())


def plan_of(policy="chunks", **settings):
    return make_plan(gradients(), policy, **(POLICIES[policy] | settings))


def compiled_step(reduction, num_devices=8, options="cpu", mesh=None):
    mesh = mesh or make_mesh(1, BATCH, jax.devices()[:num_devices])

    def step(weights, x):
        loss, grads = jax.value_and_grad(loss_fn)(reduction.as_local(weights), x)
        return reduction.mean(loss), reduction.reduce(grads)

    sharded = jax.shard_map(
        step,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(reduction.axis_name)),
        out_specs=PartitionSpec(),
    )
    options = compiler_options(options) if options else None
    compiled = jax.jit(sharded, compiler_options=options).lower(weights(), examples())
    return compiled.compile()


@functools.cache
def plain(num_devices=8):
    return compiled_step(mean_over(DATA_AXIS), num_devices)(weights(), examples())


def two_axes():
    devices = np.array(jax.devices()).reshape(2, 4)
    return Mesh(devices, ("host", "chip"), axis_types=(AxisType.Auto,) * 2)
