"""What a compiled program really does between devices."""

import re
from typing import NamedTuple

import numpy as np

from parallel.hlo_program import Array, Instruction, Program, read_program

KINDS = (
    *("all-reduce", "all-gather", "reduce-scatter", "all-to-all"),
    *("collective-permute", "collective-broadcast", "ragged-all-to-all"),
)
_LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]*\})\}")
_STRIDED = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_BY_AXES = re.compile(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}")

OP_NAME = re.compile(r'op_name="([^"]*)"')
# Instructions that hold another one, of a computation of their own.
_WRAPPERS = ("async", "fusion", "custom-call")


class Collective(NamedTuple):
    """One exchange between devices.

    Attributes:
      name: of the instruction that starts it.
      kind: one of KINDS.
      arrays: what it returns on each device.
      op_name: where it stands in the Python source's scopes.
      groups: device numbers that exchange with each other.
      computation: where it is issued.
      start: the place in that computation's schedule where it has what it sends.
      done: the place where its result is waited for; `start` if it is synchronous.
    """

    name: str
    kind: str
    arrays: tuple[Array, ...]
    op_name: str
    groups: list[list[int]]
    computation: str
    start: int
    done: int

    @property
    def num_bytes(self) -> int:
        """Of its result on one device."""
        return sum(array.num_bytes for array in self.arrays)

    @property
    def is_asynchronous(self) -> bool:
        """Whether other instructions may run between start and done."""
        return self.done > self.start


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


def _kind(program: Program, instruction: Instruction) -> tuple[str, str] | None:
    """Kind of the collective that an instruction starts, and its whole line."""
    name = instruction.opcode.removesuffix("-start")
    if name in KINDS:
        return name, instruction.line
    if name in _WRAPPERS:
        for inner in program.computations.get(instruction.called, ()):
            if inner.opcode in KINDS:
                return inner.opcode, inner.line
    return None


def _done(instructions: list[Instruction], start: int) -> int:
    """Place where the asynchronous instruction at `start` is waited for."""
    waiting = instructions[start].name
    for place in range(start + 1, len(instructions)):
        instruction = instructions[place]
        if waiting in instruction.operands:
            if instruction.opcode.endswith("-done"):
                return place
            if instruction.opcode.endswith("-update"):
                waiting = instruction.name
    return start


def _has_data(instructions: list[Instruction], start: int) -> int:
    """Place where the asynchronous instruction at `start` is given what it sends.

    On a TPU's sparse cores a program is started long before, with nothing to send yet;
    its first update brings the data.
    """
    if not instructions[start].operands:
        for place in range(start + 1, len(instructions)):
            instruction = instructions[place]
            if instructions[start].name in instruction.operands:
                return place if instruction.opcode.endswith("-update") else start
    return start


def collectives(program: Program) -> list[Collective]:
    """Lists what a program exchanges between devices, in the order of issue.

    Computations come in the order of the text; what runs inside a fused or asynchronous
    one is listed where it is issued.

    Raises:
      ValueError: a collective whose groups cannot be read.
    """
    wrapped = {
        instruction.called
        for instructions in program.computations.values()
        for instruction in instructions
        if instruction.opcode.removesuffix("-start") in _WRAPPERS
    }
    found = []
    for name, instructions in program.computations.items():
        if name in wrapped:
            continue
        here = []
        for start, instruction in enumerate(instructions):
            kind = _kind(program, instruction)
            if kind is None:
                continue
            is_start = instruction.opcode.endswith("-start")
            done = _done(instructions, start) if is_start else start
            op_name = OP_NAME.search(kind[1])
            here.append(
                Collective(
                    name=instruction.name,
                    kind=kind[0],
                    arrays=instructions[done].arrays,
                    op_name=op_name[1] if op_name else "",
                    groups=_groups_of(kind[1]),
                    computation=name,
                    start=_has_data(instructions, start) if is_start else start,
                    done=done,
                )
            )
        found += sorted(here, key=lambda one: one.start)
    return found


def collective_groups(text: str) -> list[list[int]]:
    """Lists which devices talk to each other in a compiled program.

    Args:
      text: optimized HLO, as of `jax.jit(f).lower(...).compile().as_text()`.

    Returns:
      One list of places in the device assignment per group of every collective.

    Raises:
      ValueError: a collective whose groups cannot be read.
    """
    return [group for one in collectives(read_program(text)) for group in one.groups]
