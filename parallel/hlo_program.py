"""Optimized HLO text as data: which instructions a compiled program runs, in order."""

import math
import re
from typing import NamedTuple

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) (?:\(.*)?\{$")
_RESULT = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = ")
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|called_computations)=\{?%?([\w.\-]+)")
_BITS = re.compile(r"\d+")


class Array(NamedTuple):
    """One array of an instruction's result.

    Attributes:
      dtype: as HLO writes it, e.g. "bf16".
      shape: its dimensions.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Writes it as HLO does."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes of the elements."""
        if self.dtype == "pred":
            return self.size
        return self.size * int(_BITS.search(self.dtype)[0]) // 8


class Instruction(NamedTuple):
    """One line of a program.

    Attributes:
      name: unique in the program.
      opcode: e.g. "all-reduce-start".
      arrays: of its result.
      operands: names of the instructions that it reads.
      called: the computation that it runs, if any.
      line: the whole text.
    """

    name: str
    opcode: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    called: str | None
    line: str


class Program(NamedTuple):
    """A compiled program.

    Attributes:
      computations: name -> instructions, in the order in which they are issued.
      entry: name of the computation that runs first.
      is_scheduled: whether the order of the text is the order of issue.
    """

    computations: dict[str, list[Instruction]]
    entry: str
    is_scheduled: bool


def _closing(text: str, start: int) -> int:
    """Position after the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError(f"brackets are not closed in {text[:80]!r}.")


def _arrays(shape: str) -> tuple[Array, ...]:
    return tuple(
        Array(dtype, tuple(int(n) for n in sizes.split(",") if n))
        for dtype, sizes in _ARRAY.findall(shape)
        if dtype not in ("token", "opaque")
    )


def _instruction(line: str) -> Instruction | None:
    found = _RESULT.match(line)
    if not found:
        return None
    rest = line[found.end() :]
    end = _closing(rest, 0) if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    opcode, _, _ = rest.partition("(")
    close = _closing(rest, len(opcode))
    called = _CALLED.search(rest[close:])
    return Instruction(
        name=found[1],
        opcode=opcode,
        arrays=_arrays(shape),
        operands=tuple(re.findall(r"%([\w.\-]+)", rest[len(opcode) : close])),
        called=called[1] if called else None,
        line=line,
    )


def read_program(text: str) -> Program:
    """Reads optimized HLO, as of `jax.jit(f).lower(...).compile().as_text()`.

    Raises:
      ValueError: the text has no entry computation.
    """
    computations, entry, current = {}, None, None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = header[2]
            computations[current] = []
            if header[1]:
                entry = current
        elif current is not None and (instruction := _instruction(line)):
            computations[current].append(instruction)
    if entry is None:
        raise ValueError("this text has no ENTRY computation: it is no compiled HLO.")
    return Program(computations, entry, "is_scheduled=true" in text.split("\n", 1)[0])
