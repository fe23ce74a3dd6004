"""Between physical units and what a network likes: constants, never per sample."""

import dataclasses

import jax
import jax.numpy as jnp

INTENSITIES = ("linear", "sqrt", "log")
LAYOUTS = ("patterns", "positions")


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How patterns and densities are scaled.

    Standardising each sample by itself would lose the absolute scale, so the constants
    belong to the configuration and are inverted at prediction.

    Attributes:
      layout: "patterns" (the published one: pixels of patterns in space, probe
        positions as channels) or "positions" (probe positions in space, each repeated
        to the size of the map, bins of their patterns as channels: what a
        convolution sees together then lies together in the specimen too).
      positions: rows and columns of the scan.
      bins: of a pattern along an axis, for the layout "positions".
      intensity: "linear", "sqrt" or "log" (1 + x) of the scaled patterns; weak discs
        carry information that a linear scale hides.
      pattern_scale: patterns are multiplied by it first.
      density_mean: of the training set [V Å].
      density_scale: one standard deviation of the training set [V Å].
    """

    layout: str
    positions: tuple[int, int]
    bins: int
    intensity: str
    pattern_scale: float
    density_mean: float
    density_scale: float

    def patterns(self, patterns: jax.Array) -> jax.Array:
        """Arranges and scales intensities [..., ky, kx, position] for the network."""
        patterns = self.pattern_scale * jnp.maximum(patterns, 0)
        if self.layout == "positions":
            patterns = self._by_position(patterns)
        functions = {"linear": lambda x: x, "sqrt": jnp.sqrt, "log": jnp.log1p}
        return functions[self.intensity](patterns)

    def _by_position(self, patterns: jax.Array) -> jax.Array:
        """[..., ky, kx, position] -> [..., y, x, bin]."""
        *lead, ky, kx, _ = patterns.shape
        (rows, columns), bins = self.positions, self.bins
        parts = (*lead, bins, ky // bins, bins, kx // bins, rows, columns)
        # The mean keeps the scale of a pixel.
        binned = patterns.reshape(parts).mean(axis=(-5, -3))
        placed = jnp.moveaxis(binned, (-2, -1), (-4, -3))
        for axis, repeats in ((-4, ky // rows), (-3, kx // columns)):
            placed = jnp.repeat(placed, repeats, axis=axis)
        return placed.reshape(*lead, ky, kx, bins**2)

    def density(self, density: jax.Array) -> jax.Array:
        """From V Å to what the network predicts."""
        return (density - self.density_mean) / self.density_scale

    def to_density(self, prediction: jax.Array) -> jax.Array:
        """From what the network predicts to V Å."""
        return prediction * self.density_scale + self.density_mean

    def example(self, example: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Scales {"patterns", "density"} to a network's {"input", "target"}."""
        return {
            "input": self.patterns(example["patterns"]),
            "target": self.density(example["density"]),
        }
