import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def layout(num_devices):
    mesh = Mesh(
        np.array(jax.devices()[:num_devices]), ("label",), axis_types=(AxisType.Auto,)
    )
    return NamedSharding(mesh, PartitionSpec("label"))


def numbers(seed=0):
    """Every kind of leaf that a run has, with bits that rounding would show."""
    rng = np.random.default_rng(seed)
    return {
        "generator": {"kernel": rng.normal(size=(8, 5, 3)).astype(np.float32)},
        "half": rng.normal(size=(8, 4)).astype(jnp.bfloat16),
        "moments": (rng.normal(size=(8, 2)).astype(np.float32), np.full(8, np.nan)),
        "step": np.arange(8, dtype=np.int32),
    }


def on_devices(tree, num_devices):
    # Copies: on a CPU device_put may share the memory of what it is given.
    return jax.tree.map(
        lambda x: jax.device_put(np.array(x, copy=True), layout(num_devices)), tree
    )


def abstract(tree, num_devices=None):
    sharding = num_devices and layout(num_devices)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
    )


def bits(tree):
    return [(x.dtype, x.shape, np.asarray(x).tobytes()) for x in jax.tree.leaves(tree)]
