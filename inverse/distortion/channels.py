"""Which targets a network is asked for, in its units, and where they are read."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from inverse.distortion.targets import (
    TargetMap,
    channel_names,
    from_channels,
    to_channels,
)


def _is_asked(name: str) -> bool:
    """Leaves out what is always zero, and along the beam all but depth means.

    Tilts about axes across the beam alternate along it, in either phase.
    """
    kind, what, axis, moment, _ = name.split("_")
    if kind == "tilt":
        return what == "alternating" or axis == "z"
    return axis != "z" or moment == "P0"


@dataclasses.dataclass(frozen=True)
class Channels:
    """The channels of maps.

    Attributes:
      num_moments: along the beam, of every target.
      tilt_scale_deg: 1 of the network's units, for tilts.
      shift_scale_pm: the same for displacements.
    """

    num_moments: int
    tilt_scale_deg: float
    shift_scale_pm: float

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Such as "tilt_alternating_z_P1_deg"."""
        return tuple(filter(_is_asked, channel_names(self.num_moments)))

    @functools.cached_property
    def alike(self) -> tuple[int, ...]:
        """A number for each, the same for those that a quarter turn exchanges."""
        kinds = [
            "_".join("across" if part in "xy" else part for part in name.split("_"))
            for name in self.names
        ]
        return tuple(list(dict.fromkeys(kinds)).index(kind) for kind in kinds)

    @functools.cached_property
    def scale(self) -> np.ndarray:
        """Degrees or pm per unit of the network [channel]."""
        of_unit = {"deg": self.tilt_scale_deg, "pm": self.shift_scale_pm}
        return np.array([of_unit[n.split("_")[-1]] for n in self.names], np.float32)

    @functools.cached_property
    def _chosen(self) -> np.ndarray:
        """Numbers of the names among those of all targets."""
        every = channel_names(self.num_moments)
        return np.array([every.index(name) for name in self.names])

    def of(self, targets: TargetMap) -> jax.Array:
        """Targets in the network's units [y, x, channel]."""
        scale = self.scale.reshape(1, 1, -1)
        return to_channels(targets)[..., self._chosen] / scale

    def to_targets(self, maps: jax.Array) -> TargetMap:
        """Undoes `of`; what is not asked for is zero."""
        count = len(channel_names(self.num_moments))
        every = jnp.zeros((*maps.shape[:-1], count), maps.dtype)
        scaled = maps * self.scale.reshape(1, 1, -1)
        return from_channels(every.at[..., self._chosen].set(scaled), self.num_moments)

    def at_cells(self, maps: jax.Array, pixels_per_cell: int) -> jax.Array:
        """Reads maps [..., y, x, channel] at every octahedron and A [..., i, j, c].

        The four pixels about the middle of what a cell's octahedron, or A, covers:
        B stands in the middle of the cell, A in its corner.
        """
        half = pixels_per_cell // 2
        near_a = jnp.roll(maps, (1, 1), (-3, -2))
        near_b = jnp.roll(maps, (1 - half, 1 - half), (-3, -2))
        is_a = np.array(["_A_" in name for name in self.names])
        shape = maps.shape
        cells = (shape[-3] // pixels_per_cell, shape[-2] // pixels_per_cell)
        blocks = (*shape[:-3], cells[0], pixels_per_cell, cells[1], pixels_per_cell, -1)

        def read(rolled):
            # Rolled, the four pixels are the first two by two of each block.
            return rolled.reshape(blocks)[..., :, :2, :, :2, :].mean(axis=(-4, -2))

        chosen = is_a.reshape((1,) * (len(shape) - 1) + (-1,))
        return jnp.where(chosen, read(near_a), read(near_b))
