"""Images from generators: the same ones on any number of devices."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan.train_state import Pair
from gan.train_step import latents_at
from parallel.mesh import (
    holders_of_rows,
    join_rows,
    num_processes,
    process_number,
)

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


class _Generators(NamedTuple):
    """A stack of generators, wherever it lies: numpy's, or on a mesh.

    Every leaf has a leading entry axis, and all are laid out alike.
    """

    params: Any
    batch_stats: Any

    @property
    def is_here(self) -> bool:
        """Whether this process holds all of them, and may draw without the others."""
        leaf = jax.tree.leaves(self.params)[0]
        return not isinstance(leaf, jax.Array) or leaf.is_fully_addressable

    def of(self, entry: int):
        """One generator that this process holds, on the device that holds it."""
        return jax.tree.map(lambda leaf: _cut(leaf, entry), tuple(self))

    def shapes(self):
        """Of one generator."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), tuple(self)
        )


def _cut(leaf, entry: int):
    if not isinstance(leaf, jax.Array):
        return leaf[entry]
    for shard in leaf.addressable_shards:
        entries = range(len(leaf))[shard.index[0]]
        if entry in entries:
            return shard.data[entry - entries.start]
    raise ValueError(f"entry {entry} lies on no device of this process.")


def _fetch(drawn: tuple[list[jax.Array], int]) -> np.ndarray:
    chunks, count = drawn
    return np.concatenate(jax.device_get(chunks))[:count]


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

        The k-th image of a label depends on (seed, label, k) alone. Generators stay
        where they are: each process draws from those that it holds, and images are all
        that travels.

        Args:
          params: generators' parameters, leading entry axis: numpy's, or on the mesh.
          batch_stats: generators' running statistics, likewise.
          labels: [n] integers, the same on every process.
          seed: another seed, other images.

        Returns:
          uint8 [n, y, x, c], on every process.
        """
        labels, generators = np.asarray(labels), _Generators(params, batch_stats)
        wanted, inverse, counts = np.unique(
            labels, return_inverse=True, return_counts=True
        )
        artists = self._artists(generators, wanted)
        key = jax.random.key(seed)
        # All are under way before the first is fetched: devices work side by side.
        drawn = [
            self._draw(generators, label, count, key)
            for label, count, artist in zip(wanted, counts, artists, strict=True)
            if artist == process_number()
        ]
        images = np.concatenate([self._none(generators), *map(_fetch, drawn)])
        if not generators.is_here:
            shares = np.bincount(artists, counts, minlength=num_processes())
            images = join_rows(images, shares.astype(int))
        placed = np.empty_like(images)
        placed[np.lexsort((labels, artists[inverse]))] = images
        return placed

    def _entry(self, label: int) -> int:
        return int(label) if self._per_label else 0

    def _artists(self, generators: _Generators, labels: np.ndarray) -> np.ndarray:
        """Who draws each of `labels`: those that hold one generator take turns."""
        if generators.is_here:
            return np.full(len(labels), process_number())
        holders = holders_of_rows(jax.tree.leaves(generators)[0])
        able = [holders[self._entry(label)] for label in labels]
        return np.array([who[i % len(who)] for i, who in enumerate(able)])

    def _draw(self, generators: _Generators, label: int, count: int, key):
        """(chunks of images of `label`, how many images are wanted of them)."""
        generator = generators.of(self._entry(label))
        chunks = [
            _chunk(self._pair, *generator, np.int32(label), np.int32(first), key)
            for first in range(0, count, CHUNK_SIZE)
        ]
        return chunks, count

    def _none(self, generators: _Generators) -> np.ndarray:
        """No image, of the right shape: what a process has that draws none."""
        chunk = functools.partial(_chunk, self._pair)
        key = jax.random.key(0)
        one = jax.eval_shape(chunk, *generators.shapes(), np.int32(0), np.int32(0), key)
        return np.empty((0, *one.shape[1:]), one.dtype)

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
