"""What a compiled program really does between devices."""

import re

import numpy as np

_COLLECTIVE = re.compile(
    r"= .*\b(?:all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
    r"|collective-broadcast)(?:-start)?\("
)
_LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]*\})\}")
_STRIDED = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_BY_AXES = re.compile(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _groups_of(line: str) -> list[list[int]]:
    """Groups of device numbers that the collective on one line of HLO joins."""
    if listed := _LISTED.search(line):
        return [_numbers(group) for group in re.findall(r"\{([\d,]+)\}", listed[1])]
    if strided := _STRIDED.search(line):
        order = np.arange(np.prod(_numbers(strided[2]))).reshape(_numbers(strided[2]))
        if strided[3]:
            order = order.transpose(_numbers(strided[3]))
        return order.reshape(_numbers(strided[1])).tolist()
    if by_axes := _BY_AXES.search(line):
        sizes = {
            name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", by_axes[1])
        }
        joined = re.findall(r"'(\w+)'", by_axes[2])
        order = np.arange(np.prod(list(sizes.values()))).reshape(list(sizes.values()))
        places = [list(sizes).index(name) for name in joined]
        order = np.moveaxis(order, places, range(-len(places), 0))
        size = int(np.prod([sizes[name] for name in joined]))
        return order.reshape(-1, size).tolist()
    raise ValueError(f"no device groups found in the collective {line.strip()!r}.")


def collective_groups(text: str) -> list[list[int]]:
    """Lists which devices talk to each other in a compiled program.

    Args:
      text: optimized HLO, as of `jax.jit(f).lower(...).compile().as_text()`.

    Returns:
      One list of places in the device assignment per group of every collective.

    Raises:
      ValueError: a collective whose groups cannot be read.
    """
    lines = [line for line in text.splitlines() if _COLLECTIVE.search(line)]
    return [group for line in lines for group in _groups_of(line)]
