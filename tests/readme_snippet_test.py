"""The program that the README shows for programs of one's own runs as it stands."""

import re

import jax
import jax.numpy as jnp
import numpy as np

from parallel.mesh import make_mesh
from tests.readme_test import README


def test_the_program_runs_and_gives_the_plain_mean():
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    params = {"w": jnp.arange(6.0).reshape(3, 2), "b": jnp.ones(2)}
    batch = jax.random.normal(jax.random.key(0), (16, 3))

    def loss_fn(params, batch):
        return jnp.mean(jnp.tanh(batch @ params["w"] + params["b"][None]) ** 2)

    names = {"params": params, "batch": batch, "loss_fn": loss_fn}
    names["mesh"] = make_mesh(1, 16, jax.devices())
    exec(program, names)
    found = names["compiled"](params, batch)
    expected = jax.grad(loss_fn)(params, batch)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
