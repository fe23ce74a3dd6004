"""A stack of pairs with a batch that stays, to be timed."""

import time

import jax
import numpy as np
import optax

from gan.label_sharded_step import make_label_sharded_step
from gan.losses import make_loss
from gan.models import Discriminator, Generator, image_size_of
from gan.train_state import create_stack, make_pair
from gan.train_step import StepSettings, make_train_step
from parallel.mesh import (
    DATA_AXIS,
    LABEL_AXIS,
    make_mesh,
    process_block,
    sharding,
    to_mesh,
)
from parallel.reduction import mean_over


class StackOfPairs:
    """The published step through the same code path as training."""

    def __init__(
        self,
        features: tuple[int, ...],
        channels: int,
        batch_size: int,
        *,
        entries: int = 1,
        loop: str = "dispatch",
        dtype: str = "float32",
        num_devices: int = 1,
    ):
        """Creates the pairs and one batch of random pixels on the first devices."""
        reduction = mean_over(DATA_AXIS)
        shared = {
            "features": features,
            "channels": channels,
            "axis_name": reduction.axis_name,
            "dtype": dtype,
        }
        pair = make_pair(
            lambda rngs: Generator(**shared, latent_size=100, rngs=rngs),
            lambda rngs: Discriminator(**shared, rngs=rngs),
            optax.adam(1e-4, b1=0.5),
            optax.adam(1e-4, b1=0.5),
            100,
        )
        mesh = make_mesh(entries, batch_size, jax.devices()[:num_devices])
        layout = sharding(mesh, LABEL_AXIS)
        self._state = create_stack(jax.random.key(0), pair, entries, layout)
        settings = StepSettings(make_loss("non_saturating", 0.0), 1, 0.999)
        self._step = make_label_sharded_step(
            make_train_step(pair, settings, reduction),
            mesh,
            entries,
            loop=loop,
            chunk_size=5,
            steps_per_dispatch=1,
        )
        mine, examples = process_block(mesh, entries, batch_size)
        example = np.arange(batch_size, dtype=np.int32)[examples]
        side, shape = image_size_of(features), (1, mine.stop - mine.start, len(example))
        pixels = (*shape, side, side, channels)
        batch = {
            "image": np.random.default_rng(0).integers(0, 256, pixels, np.uint8),
            "label": np.zeros(shape, np.int32),
            "example": np.broadcast_to(example, shape),
        }
        self._batch = to_mesh(batch, sharding(mesh, None, LABEL_AXIS, DATA_AXIS))
        self._key = jax.random.key(1)

    def seconds(self, steps: int) -> float:
        """Takes steps of all pairs and returns the seconds that they took."""
        start = time.perf_counter()
        for _ in range(steps):
            self._state, metrics = self._step(self._state, self._batch, self._key)
        jax.block_until_ready((self._state, metrics))
        return time.perf_counter() - start
