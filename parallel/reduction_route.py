"""Which exchanges reduce one group of a plan, and between which devices."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

Peers = tuple[tuple[int, ...], ...]


class Stage(NamedTuple):
    """One exchange of a group.

    Attributes:
      kind: as HLO calls it.
      before: into how many parts the buffer is cut when the stage begins.
      after: when it is done.
      peers: places on the mesh of the devices that exchange with each other; None: of
        whichever, that is not looked at.
      dtype: of what travels; None: the group's wire type.
    """

    kind: str
    before: int = 1
    after: int = 1
    peers: Peers | None = None
    dtype: str | None = None


Route = tuple[Stage, ...]
# As `reduction.planned`, over whatever axis.
ANYWHERE: Route = (Stage("all-reduce"),)


def peers_over(mesh: Mesh, axis_name: str | Sequence[str]) -> Peers:
    """Places on the mesh, in its own order, that differ along `axis_name` alone.

    Raises:
      ValueError: the mesh has no such axis.
    """
    names = (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)
    for name in names:
        if name not in mesh.axis_names:
            raise ValueError(
                f"axis {name!r}: the mesh has {', '.join(map(repr, mesh.axis_names))}."
            )
    places = np.arange(mesh.size).reshape(mesh.devices.shape)
    axes = [mesh.axis_names.index(name) for name in names]
    together = np.moveaxis(places, axes, range(-len(axes), 0))
    size = math.prod(mesh.shape[name] for name in names)
    return tuple(map(tuple, together.reshape(-1, size).tolist()))


def planned_route(mesh: Mesh, axis_name: str) -> Route:
    """Of `reduction.planned` over `axis_name`."""
    return _without_alone(Stage("all-reduce", peers=peers_over(mesh, axis_name)))


def hierarchical_route(mesh: Mesh, inner_axis: str, outer_axis: str) -> Route:
    """Of `reduction.hierarchical` over two axes."""
    n, inner = mesh.shape[inner_axis], peers_over(mesh, inner_axis)
    across = peers_over(mesh, outer_axis)
    return _without_alone(
        Stage("reduce-scatter", 1, n, inner),
        Stage("all-reduce", n, n, across),
        Stage("all-gather", n, 1, inner),
    )


def sharded_route(mesh: Mesh, axis_name: str, dtype: str = "float32") -> Route:
    """Of `sharded_optimizer`: sums in parts, and new parameters of `dtype` gathered."""
    n, peers = mesh.shape[axis_name], peers_over(mesh, axis_name)
    return _without_alone(
        Stage("reduce-scatter", 1, n, peers), Stage("all-gather", n, 1, peers, dtype)
    )


def _without_alone(*stages: Stage) -> Route:
    """No exchange of a device with itself; some compilers remove these."""
    return tuple(s for s in stages if any(len(group) > 1 for group in s.peers))
