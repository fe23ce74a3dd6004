"""A small stack of pairs on any number of devices, for the tests of this room."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from gan.label_sharded_step import make_label_sharded_step
from gan.losses import make_loss
from gan.models import Discriminator, Generator, image_size_of
from gan.train_state import create_stack, make_pair
from gan.train_step import StepSettings, make_train_step
from parallel.mesh import DATA_AXIS, LABEL_AXIS, make_mesh, sharding, to_mesh
from parallel.reduction import mean_over

FEATURES = (16, 8)
LATENT_SIZE = 12


class SmallStack(NamedTuple):
    """Everything that a test of the step wants."""

    mesh: object
    pair: object
    step: object
    batch_layout: object
    state: object
    steps_per_dispatch: int

    def run(self, steps, batch_size=12, inject=None):
        """Takes steps on fixed random images; `inject` may change the first state."""
        state = self.state if inject is None else inject(self.state)
        num_entries = state.step.shape[0]
        for first in range(0, steps, self.steps_per_dispatch):
            several = [
                batch_at(first + k, num_entries, batch_size)
                for k in range(self.steps_per_dispatch)
            ]
            batches = jax.tree.map(lambda *xs: np.concatenate(xs), *several)
            batches = to_mesh(batches, self.batch_layout)
            state, metrics = self.step(state, batches, jax.random.key(5))
        return jax.device_get((state, metrics))


def batch_at(step, num_entries, batch_size, channels=1):
    side = image_size_of(FEATURES)
    shape = (1, num_entries, batch_size)
    random = np.random.default_rng(step)
    image = random.integers(0, 256, (*shape, side, side, channels), np.uint8)
    example = np.broadcast_to(np.arange(batch_size, dtype=np.int32), shape)
    return {"image": image, "label": np.zeros(shape, np.int32), "example": example}


def small_stack(
    num_entries=4,
    num_devices=1,
    batch_size=12,
    *,
    loop="dispatch",
    loss="non_saturating",
    gradient_penalty=0.0,
    rounds=1,
    normalisation="batch",
    dtype="float32",
    num_classes=0,
    steps_per_dispatch=1,
    rate_share=None,
):
    reduction = mean_over(DATA_AXIS)
    shared = {
        "features": FEATURES,
        "channels": 1,
        "num_classes": num_classes,
        "axis_name": reduction.axis_name,
        "dtype": dtype,
    }
    pair = make_pair(
        lambda rngs: Generator(**shared, latent_size=LATENT_SIZE, rngs=rngs),
        lambda rngs: Discriminator(**shared, normalisation=normalisation, rngs=rngs),
        optax.adam(1e-3, b1=0.5),
        optax.adam(1e-3, b1=0.5),
        LATENT_SIZE,
    )
    mesh = make_mesh(num_entries, batch_size, jax.devices()[:num_devices])
    settings = StepSettings(make_loss(loss, gradient_penalty), rounds, 0.99, rate_share)
    step = make_label_sharded_step(
        make_train_step(pair, settings, reduction),
        mesh,
        num_entries,
        loop=loop,
        chunk_size=2,
        steps_per_dispatch=steps_per_dispatch,
    )
    layout = sharding(mesh, LABEL_AXIS)
    state = create_stack(jax.random.key(0), pair, num_entries, layout)
    batch_layout = sharding(mesh, None, LABEL_AXIS, DATA_AXIS)
    return SmallStack(mesh, pair, step, batch_layout, state, steps_per_dispatch)
