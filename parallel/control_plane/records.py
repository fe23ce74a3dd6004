"""What the messages of the control plane are made of, field by field."""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np

# Which fields a request has is published (name, type, dtype, shape, device); how wide
# each is, is our assumption: 32 characters of name, four dimensions, little-endian.
REQUEST = np.dtype(
    [
        ("rank", "<i4"),
        ("type", "<i4"),
        ("dtype", "<i4"),
        ("device", "<i4"),
        ("num_dimensions", "<i4"),
        ("shape", "<i8", 4),
        ("name", "S32"),
    ]
)
# A response is this header and the names of the tensors that travel together.
RESPONSE_HEADER = np.dtype([("type", "<i4"), ("num_tensors", "<i4")])
NAME = np.dtype("S32")
LENGTH = np.dtype("<i4")  # of a list that follows

Groups = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """What a rank asks to have reduced.

    Attributes:
      name: the same on all ranks.
      shape: of the gradient.
      dtype: numpy's name of its type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float16"

    @property
    def num_bytes(self) -> int:
        """Of the gradient itself."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        """Says shape and type, as errors print them."""
        return f"{self.shape} {self.dtype}"


def fuse(
    order: Iterable[int], tensor_at: Callable[[int], Tensor], fusion_bytes: float
) -> Groups:
    """Joins neighbours of one dtype greedily up to `fusion_bytes`.

    Args:
      order: places of tensors, first to travel first.
      tensor_at: the tensor at a place.
      fusion_bytes: most bytes of a group; a single tensor may exceed it.
    """
    groups, filled, dtype = [], 0, None
    for place in order:
        tensor = tensor_at(place)
        if tensor.dtype == dtype and filled + tensor.num_bytes <= fusion_bytes:
            groups[-1].append(place)
            filled += tensor.num_bytes
        else:
            groups.append([place])
            filled, dtype = tensor.num_bytes, tensor.dtype
    return tuple(map(tuple, groups))


def list_bytes(groups: Groups) -> int:
    """Bytes of the list that tells all ranks what to reduce next."""
    num_tensors = sum(map(len, groups))
    return len(groups) * RESPONSE_HEADER.itemsize + num_tensors * NAME.itemsize
