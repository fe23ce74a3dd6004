"""A traced program as one list of operations, calls opened, and parts of it to run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend import core

from parallel.production_order import called_program


class Operation(NamedTuple):
    """One operation on numbered values.

    Attributes:
      eqn: what is done.
      inputs: numbers of values, or literals.
      outputs: numbers of the values that it makes.
    """

    eqn: Any
    inputs: tuple[Any, ...]
    outputs: tuple[int, ...]


class LinearProgram(NamedTuple):
    """A program without calls.

    Attributes:
      operations: in an order in which they can run.
      inputs: numbers of the arguments' leaves.
      outputs: numbers of the results' leaves, or literals.
      constants: number -> value.
    """

    operations: list[Operation]
    inputs: list[int]
    outputs: list[Any]
    constants: dict[int, Any]


class _Opener:
    def __init__(self):
        self.operations, self.constants, self.count = [], {}, 0

    def number(self, count: int) -> list[int]:
        self.count += count
        return list(range(self.count - count, self.count))

    def open(self, jaxpr, constants: Sequence[Any], inputs: list[Any]) -> list[Any]:
        """Adds a program's operations; returns the numbers of its results."""
        known = dict(zip(jaxpr.invars, inputs, strict=True))
        for var, value in zip(jaxpr.constvars, constants, strict=True):
            known[var] = self.number(1)[0]
            self.constants[known[var]] = value

        def look_up(var):
            return var if isinstance(var, core.Literal) else known[var]

        for eqn in jaxpr.eqns:
            operands = [look_up(var) for var in eqn.invars]
            program = called_program(eqn)
            if program is not None:
                results = self.open(program.jaxpr, program.consts, operands)
            else:
                results = self.number(len(eqn.outvars))
                operation = Operation(eqn, tuple(operands), tuple(results))
                self.operations.append(operation)
            known.update(zip(eqn.outvars, results, strict=True))
        return [look_up(var) for var in jaxpr.outvars]


def linear_program(function: Callable, *arguments: Any) -> LinearProgram:
    """Traces `function` of `arguments` (arrays or shapes) and opens its calls."""
    closed = jax.make_jaxpr(function)(*arguments)
    opener = _Opener()
    inputs = opener.number(len(closed.jaxpr.invars))
    outputs = opener.open(closed.jaxpr, closed.consts, inputs)
    return LinearProgram(opener.operations, inputs, outputs, opener.constants)


class Segment(NamedTuple):
    """A part of a program.

    Attributes:
      run: values of `inputs` -> values of `outputs`; not compiled yet.
      inputs: numbers of the values that it needs from outside.
      outputs: numbers of the values that it makes for others.
    """

    run: Callable[..., tuple]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _numbers(values: Iterable[Any]) -> set[int]:
    return {value for value in values if isinstance(value, int)}


def _needed(
    program: LinearProgram, wanted: set[int], done: set[int]
) -> list[Operation]:
    """Operations, not done yet, without which `wanted` cannot be had."""
    needed, chosen = set(wanted), []
    for operation in reversed(program.operations):
        made = set(operation.outputs)
        if made & needed and not made & done:
            chosen.append(operation)
            needed |= _numbers(operation.inputs)
    return chosen[::-1]


def _run(operation: Operation, operands: list[Any]) -> list[Any]:
    """Does one operation, as a program of its own in the program that is traced."""
    eqn = operation.eqn
    # A variable that is read twice is one argument.
    arguments = {
        var: value
        for var, value in zip(
            (v for v in eqn.invars if not isinstance(v, core.Literal)),
            operands,
            strict=True,
        )
    }
    program = core.Jaxpr(
        constvars=[],
        invars=list(arguments),
        outvars=list(eqn.outvars),
        eqns=[eqn],
        effects=eqn.effects,
        debug_info=core.DebugInfo("one operation", eqn.primitive.name, None, None),
    )
    return core.jaxpr_as_fun(core.ClosedJaxpr(program, ()))(*arguments.values())


def _runner(operations, inputs, outputs, constants) -> Callable[..., tuple]:
    def run(*values):
        known = constants | dict(zip(inputs, values, strict=True))
        for operation in operations:
            operands = [known[x] for x in operation.inputs if isinstance(x, int)]
            known.update(zip(operation.outputs, _run(operation, operands), strict=True))
        return tuple(known[number] for number in outputs)

    return run


def cut(program: LinearProgram, wanted: Sequence[Sequence[Any]]) -> list[Segment]:
    """Cuts a program into segments, each doing no more than its results need.

    Args:
      program: to cut.
      wanted: for every segment the values that must be there after it; what an earlier
        segment made is not made again.

    Returns:
      As many segments, to be run in their order.
    """
    done, parts = set(), []
    for values in wanted:
        operations = _needed(program, _numbers(values), done)
        done |= {n for operation in operations for n in operation.outputs}
        parts.append(operations)
    segments, later = [], set()
    for operations, values in zip(reversed(parts), reversed(wanted), strict=True):
        made = {n for operation in operations for n in operation.outputs}
        read = _numbers(x for operation in operations for x in operation.inputs)
        later |= _numbers(values)
        outputs = tuple(sorted(made & later))
        inputs = tuple(sorted(read - made - program.constants.keys()))
        run = _runner(operations, inputs, outputs, program.constants)
        segments.append(Segment(run, inputs, outputs))
        later = (later - made) | set(inputs)
    return segments[::-1]
