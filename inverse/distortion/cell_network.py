"""A network over the cells of a crystal: one token per octahedron."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

# Predicted standard deviations, of standardised targets, lie within e^-6 and e^6.
_LOG_VARIANCE_BOUND = 12.0


class CellNetwork(nnx.Module):
    """Images on whole cells to a mean and a log-variance of every target.

    A displacement of a column is a fraction of a pixel: a linear function of the image
    around it, once the lattice is known. So the 2 x 2 cells about every octahedron are
    embedded by one matrix; blocks follow that see a token and its eight neighbours.
    """

    def __init__(
        self,
        *,
        detectors: int,
        of_a: tuple[bool, ...],
        pixels_per_cell: int,
        binning: int = 1,
        features: int = 256,
        num_blocks: int = 2,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          detectors: images among the input's channels; then as many say which of them
            are there. Further channels are not looked at.
          of_a: of each target, whether it belongs to A in the corner of a cell.
          pixels_per_cell: along x and y.
          binning: pixels, along x and y, that are seen as one; half a cell must be a
            multiple. What a source of half an Angstrom leaves needs no finer ones, and
            the matrix has so many fewer weights to tell from noise.
          features: of a token.
          num_blocks: residual blocks.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        layer = {"dtype": dtype, "rngs": rngs}
        self.detectors, self.binning = detectors, binning
        self.pixels_per_cell = pixels_per_cell
        self.of_a, self.num_blocks, self.dtype = of_a, num_blocks, dtype
        fan_in = (4 * (pixels_per_cell // binning) ** 2 + 1) * detectors
        self.embed = nnx.Linear(fan_in, features, **layer)
        for number in range(num_blocks):
            setattr(self, f"norm_{number}", nnx.LayerNorm(features, **layer))
            setattr(self, f"mix_{number}", nnx.Linear(9 * features, features, **layer))
            setattr(self, f"out_{number}", nnx.Linear(features, features, **layer))
        # Zero: before training every prediction is the mean, with its spread.
        self.head = nnx.Linear(
            features,
            2 * len(of_a),
            kernel_init=nnx.initializers.zeros,
            rngs=rngs,
        )

    def _patches(self, image: jax.Array) -> jax.Array:
        """The 2 x 2 cells about every octahedron [n, i, j, value]; images repeat."""
        side, n = self.pixels_per_cell // self.binning, len(image)
        image = _binned(image, self.binning)
        rolled = jnp.roll(image, (side // 2, side // 2), (1, 2))
        cells = (image.shape[1] // side, image.shape[2] // side)
        blocks = rolled.reshape(n, cells[0], side, cells[1], side, -1)
        blocks = blocks.swapaxes(2, 3).reshape(n, *cells, -1)
        around = [jnp.roll(blocks, (-i, -j), (1, 2)) for i in (0, 1) for j in (0, 1)]
        return jnp.concatenate(around, axis=-1)

    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Predicts.

        Args:
          image: [n, y, x, channel] of whole cells, which repeats.
          train: changes nothing here.
          keys: neither do they: nothing is dropped.

        Returns:
          mean and log-variance [n, 2 i, 2 j, target], float32, of standardised targets
          in quarters of cells: the four of an octahedron's cell, or around an A, say
          the same.
        """
        del train, keys
        count, side = self.detectors, self.pixels_per_cell
        shown, there = image[..., :count], image[:, ::side, ::side, count : 2 * count]
        tokens = jnp.concatenate([self._patches(shown), there], axis=-1)
        x = self.embed(tokens.astype(self.dtype))
        for number in range(self.num_blocks):
            norm, mix, out = (
                getattr(self, f"{name}_{number}") for name in ("norm", "mix", "out")
            )
            x = x + out(nnx.gelu(mix(_neighbours(nnx.gelu(norm(x))))))
        answer = self.head(x.astype(jnp.float32))
        for axis in (1, 2):
            answer = jnp.repeat(answer, 2, axis=axis)
        # A's quarters begin half a cell earlier: it stands in the corner.
        of_a = np.array(2 * self.of_a).reshape(1, 1, 1, -1)
        moved = jnp.roll(answer, (-1, -1), (1, 2))
        mean, raw = jnp.split(jnp.where(of_a, moved, answer), 2, axis=-1)
        bound = _LOG_VARIANCE_BOUND
        return mean, bound * jnp.tanh(raw / bound)


def _binned(image: jax.Array, size: int) -> jax.Array:
    """Sums over size x size pixels, scaled so that white noise stays as strong."""
    n, height, width, channels = image.shape
    blocks = image.reshape(n, height // size, size, width // size, size, channels)
    return blocks.sum((2, 4)) / size


def _neighbours(x: jax.Array) -> jax.Array:
    """Every token with its eight neighbours [n, i, j, 9 * features]; images repeat.

    With a matrix behind it this is a 3 x 3 convolution, which XLA computes more slowly
    over so few tokens.
    """
    steps = (1, 0, -1)
    around = [jnp.roll(x, (i, j), (1, 2)) for i in steps for j in steps]
    return jnp.concatenate(around, axis=-1)
