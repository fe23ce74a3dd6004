"""Images from generators: the same ones on any number of devices."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan.train_state import Pair
from gan.train_step import latents_at

# Fixed, so that an image does not depend on how many others are asked for.
CHUNK_SIZE = 50


def to_pixels(images: jax.Array) -> jax.Array:
    """Maps -1..1 to 0..255 (uint8), rounding."""
    return jnp.clip(jnp.round((images + 1) * 127.5), 0, 255).astype(jnp.uint8)


def _latents(key: jax.Array, label: jax.Array, first: jax.Array, latent_size: int):
    indices = first + jnp.arange(CHUNK_SIZE)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
        jax.random.fold_in(key, label), indices
    )
    return latents_at(keys, 0, latent_size)


@functools.partial(jax.jit, static_argnums=0)
def _chunk(pair: Pair, params, batch_stats, label, first, key):
    """Makes images first .. first + CHUNK_SIZE of `label` with one generator."""
    latents = _latents(key, label, first, pair.latent_size)
    classes = jnp.full(CHUNK_SIZE, label)
    images, _ = pair.generator.apply(params, batch_stats, latents, classes, train=False)
    return to_pixels(images)


class Sampler:
    """Draws images of any label from a stack of generators."""

    def __init__(self, pair: Pair, conditioning: str, num_labels: int):
        """Creates a sampler.

        Args:
          pair: how to run one generator.
          conditioning: "per_label", "class" or "none"; of the latter's single
            generator label l gets the l-th share, and no image of it is meant to
            show that label.
          num_labels: labels of the data.
        """
        self._pair = pair
        self._per_label = conditioning == "per_label"
        self.shows_labels = conditioning != "none"
        self.num_labels = num_labels

    def sample(
        self, params: Any, batch_stats: Any, labels: np.ndarray, seed: int
    ) -> np.ndarray:
        """Draws one image for each of `labels`.

        The k-th image of a label depends on (seed, label, k) alone.

        Args:
          params: generators' parameters, leading entry axis; numpy's, or all of them
            on one device.
          batch_stats: generators' running statistics, likewise.
          labels: [n] integers.
          seed: another seed, other images.

        Returns:
          uint8 [n, y, x, c].
        """
        labels = np.asarray(labels)
        key = jax.random.key(seed)
        images = None
        for label in np.unique(labels):
            places = np.flatnonzero(labels == label)
            entry = int(label) if self._per_label else 0
            # One generator goes to the device, once, and not the stack each time.
            generator = jax.tree.map(lambda x, i=entry: x[i], (params, batch_stats))
            generator = jax.device_put(generator, jax.local_devices()[0])
            chunks = [
                _chunk(
                    self._pair,
                    *generator,
                    jnp.int32(label),
                    jnp.int32(first),
                    key,
                )
                for first in range(0, len(places), CHUNK_SIZE)
            ]
            drawn = np.concatenate([np.asarray(x) for x in chunks])[: len(places)]
            if images is None:
                images = np.empty((len(labels), *drawn.shape[1:]), np.uint8)
            images[places] = drawn
        return images

    def grid(self, params: Any, batch_stats: Any, columns: int, max_rows: int = 100):
        """Draws the fixed latents of the training pictures.

        Returns:
          uint8 [rows, columns, y, x, c], rows = labels.
        """
        rows = min(self.num_labels, max_rows)
        labels = np.repeat(np.arange(rows), columns)
        images = self.sample(params, batch_stats, labels, seed=0)
        return images.reshape(rows, columns, *images.shape[1:])


def mixture_labels(prior: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Draws `num` labels [num] from the data's label `prior` [num_labels]."""
    return np.random.default_rng(seed).choice(len(prior), size=num, p=prior)
