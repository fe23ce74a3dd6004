"""How much each instruction of a compiled program computes and moves."""

import math
import re

from parallel.hlo_program import Array, Instruction, Program

_CONTRACTED = re.compile(r'lhs_contracting_dim(?:ension)?s"?[=:][{\[]"?([\d",]*)')
_LABELS = re.compile(r"dim_labels=\w+_(\w+)->")
_TARGET = re.compile(r'custom_call_target="([^"]+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
# What neither computes nor moves anything.
FREE = frozenset(
    ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "after-all")
    + ("opt-barrier", "partition-id", "replica-id", "iota")
    # Of programs that run elsewhere, e.g. on a TPU's sparse cores.
    + ("custom-call-start", "custom-call-update")
)


class Work:
    """Counts the work of a program's instructions."""

    def __init__(self, program: Program):
        """Remembers what every instruction of `program` returns."""
        self.program = program
        self._arrays = {
            name: {i.name: i.arrays for i in instructions}
            for name, instructions in program.computations.items()
        }

    def flops(self, computation: str, instruction: Instruction) -> float:
        """Floating-point operations of matrix products and convolutions inside.

        Two per multiplication and addition; all else counts by its bytes.
        """
        if instruction.opcode == "dot":
            return self._dot(computation, instruction)
        if instruction.opcode == "convolution":
            return self._convolution(computation, instruction, "Forward")
        if instruction.opcode == "custom-call":
            target = _TARGET.search(instruction.line)
            name = target[1] if target else ""
            if "gemm" in name or "matmul" in name:
                return self._dot(computation, instruction)
            if "conv" in name:
                return self._convolution(computation, instruction, name)
        inside = self.program.computations.get(instruction.called, ())
        return trips(instruction) * sum(
            self.flops(instruction.called, inner) for inner in inside
        )

    def num_bytes(self, computation: str, instruction: Instruction) -> int:
        """Bytes that it reads and writes, each operand and result once."""
        if instruction.opcode in FREE or instruction.opcode.endswith("-done"):
            return 0
        known = self._arrays[computation]
        read = [a for name in instruction.operands for a in known.get(name, ())]
        return sum(array.num_bytes for array in (*read, *instruction.arrays))

    def _operands(self, computation: str, instruction: Instruction) -> list[Array]:
        known = self._arrays[computation]
        return [known[name][0] for name in instruction.operands if known.get(name)]

    def _dot(self, computation: str, instruction: Instruction) -> float:
        operands = self._operands(computation, instruction)
        found = _CONTRACTED.search(instruction.line)
        if not operands or not found:
            return 0.0
        axes = [int(n) for n in found[1].replace('"', "").split(",") if n]
        inner = math.prod(operands[0].shape[axis] for axis in axes)
        return 2.0 * instruction.arrays[0].size * inner

    def _convolution(
        self, computation: str, instruction: Instruction, direction: str
    ) -> float:
        """Of a convolution or of one of its gradients: all do the same work."""
        first, second, *_ = self._operands(computation, instruction)
        result = instruction.arrays[0]
        kernel, outputs = second, result
        if "BackwardFilter" in direction:
            kernel, outputs = result, second
        elif "BackwardInput" in direction:
            outputs = first
        labels = _LABELS.search(instruction.line)
        features = kernel.shape[labels[1].index("o")] if labels else 1
        return 2.0 * outputs.size * kernel.size / features


def trips(instruction: Instruction) -> int:
    """How often a loop runs, where the compiler knows it; otherwise once."""
    found = _TRIPS.search(instruction.line)
    return int(found[1]) if found else 1
