"""Between physical units and what a network likes: constants, never per sample."""

import dataclasses

import jax
import jax.numpy as jnp

INTENSITIES = ("linear", "sqrt", "log")


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How patterns and densities are scaled.

    Standardising each sample by itself would lose the absolute scale, so the constants
    belong to the configuration and are inverted at prediction.

    Attributes:
      intensity: "linear", "sqrt" or "log" (1 + x) of the scaled patterns; weak discs
        carry information that a linear scale hides.
      pattern_scale: patterns are multiplied by it first.
      density_mean: of the training set [V Å].
      density_scale: one standard deviation of the training set [V Å].
    """

    intensity: str
    pattern_scale: float
    density_mean: float
    density_scale: float

    def patterns(self, patterns: jax.Array) -> jax.Array:
        """Scales intensities of any shape."""
        scaled = self.pattern_scale * jnp.maximum(patterns, 0)
        functions = {"linear": lambda x: x, "sqrt": jnp.sqrt, "log": jnp.log1p}
        return functions[self.intensity](scaled)

    def density(self, density: jax.Array) -> jax.Array:
        """From V Å to what the network predicts."""
        return (density - self.density_mean) / self.density_scale

    def to_density(self, prediction: jax.Array) -> jax.Array:
        """From what the network predicts to V Å."""
        return prediction * self.density_scale + self.density_mean

    def example(self, example: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Scales {"patterns", "density"}."""
        return {
            "patterns": self.patterns(example["patterns"]),
            "density": self.density(example["density"]),
        }
