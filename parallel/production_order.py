"""When each gradient appears in a backward pass, read off the program itself."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

from parallel.named_leaves import named_leaves

_CONSTANT = -1  # depends on no input


class Gradient(NamedTuple):
    """One leaf of the gradients, and when it can be there.

    Attributes:
      name: path of the leaf, e.g. "block_2/conv/kernel".
      shape: of the leaf.
      dtype: name of the leaf's type.
      ready: share of the program's work [0..1] that is done when it appears.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    ready: float

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class _Ready(NamedTuple):
    """When a value can be there; compares as it comes.

    Attributes:
      heavy: number of the last equation with work among its ancestors.
      defined: number of the equation that writes it.
    """

    heavy: int
    defined: int


def _product_flops(eqn) -> float:
    ((contracted, _), _) = eqn.params["dimension_numbers"]
    shape = eqn.invars[0].aval.shape
    inner = math.prod(shape[axis] for axis in contracted)
    return 2.0 * math.prod(eqn.outvars[0].aval.shape) * inner


def _convolution_flops(eqn) -> float:
    """Of a convolution in any direction; zeros between dilated inputs cost nothing."""
    _, in_features, *window = eqn.params["dimension_numbers"].rhs_spec
    kernel = eqn.invars[1].aval.shape
    inner = math.prod(kernel[axis] for axis in (in_features, *window))
    spread = math.prod(eqn.params["lhs_dilation"] or (1,))
    return 2.0 * math.prod(eqn.outvars[0].aval.shape) * inner / spread


def _programs_in(eqn) -> list[core.ClosedJaxpr]:
    """Every program that an equation runs."""
    found = []
    for value in eqn.params.values():
        several = value if isinstance(value, tuple | list) else (value,)
        for one in several:
            if isinstance(one, core.ClosedJaxpr):
                found.append(one)
            elif isinstance(one, core.Jaxpr):
                found.append(core.ClosedJaxpr(one, ()))
    return found


def called_program(eqn: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """The program that an equation runs once, in whose order its results come.

    None for loops and branches: whatever they return, they return at their end.
    """
    if eqn.primitive.name in ("scan", "while", "cond"):
        return None
    for program in _programs_in(eqn):
        arguments, results = len(program.jaxpr.invars), len(program.jaxpr.outvars)
        if (arguments, results) == (len(eqn.invars), len(eqn.outvars)):
            return program
    return None


def _flops(eqn) -> float:
    """Floating-point operations of an equation; 0 for what moves bytes alone."""
    if eqn.primitive.name == "dot_general":
        return _product_flops(eqn)
    if eqn.primitive.name == "conv_general_dilated":
        return _convolution_flops(eqn)
    inside = [sum(map(_flops, program.jaxpr.eqns)) for program in _programs_in(eqn)]
    if eqn.primitive.name == "cond":
        return max(inside, default=0.0)
    return sum(inside) * eqn.params.get("length", 1)


class _Walk:
    """Numbers the equations of a program and of all that it calls."""

    def __init__(self):
        self.work = [0.0]  # done when equation i is done

    def through(self, jaxpr, inputs: list[_Ready]) -> list[_Ready]:
        """Returns when the results are there, given when the inputs are."""
        ready = dict(zip(jaxpr.invars, inputs, strict=True))

        def look_up(var) -> _Ready:
            if isinstance(var, core.Literal):
                return _Ready(_CONSTANT, 0)
            return ready.get(var, _Ready(_CONSTANT, 0))

        for eqn in jaxpr.eqns:
            operands = [look_up(var) for var in eqn.invars]
            program = called_program(eqn)
            if program is not None:
                results = self.through(program.jaxpr, operands)
            else:
                results = [self._result(eqn, operands)] * len(eqn.outvars)
            ready.update(zip(eqn.outvars, results, strict=True))
        return [look_up(var) for var in jaxpr.outvars]

    def _result(self, eqn, operands: list[_Ready]) -> _Ready:
        flops = _flops(eqn)
        self.work.append(self.work[-1] + flops)
        now = len(self.work) - 1
        heavy = max((operand.heavy for operand in operands), default=_CONSTANT)
        return _Ready(now if flops and heavy >= 0 else heavy, now)


def production_order(grad_fn: Callable[..., Any], *arguments: Any) -> list[Gradient]:
    """Lists the gradients in the order in which the backward pass makes them.

    A gradient is there when the last matrix product or convolution that it depends on
    is done: additions, casts and scalings afterwards cost little, and the compiler
    moves them to where their operands are. Where several wait for the same product,
    the order of the program decides. Calls (jit, remat, custom derivatives,
    shard_map) are followed inside; loops return everything at their end. A gradient
    that depends on nothing (of an unused parameter) comes last. The order of the
    leaves in the pytree has no influence.

    Args:
      grad_fn: returns a pytree of gradients; nothing is run.
      *arguments: of `grad_fn`; arrays or their shapes.

    Returns:
      One `Gradient` per leaf.
    """
    jaxpr, shapes = jax.make_jaxpr(grad_fn, return_shape=True)(*arguments)
    walk = _Walk()
    found = walk.through(jaxpr.jaxpr, [_Ready(0, 0)] * len(jaxpr.jaxpr.invars))
    total = walk.work[-1]
    leaves = named_leaves(shapes)

    def key(item):
        (name, _), ready = item
        return ready.heavy == _CONSTANT, ready, name

    ordered = sorted(zip(leaves.items(), found, strict=True), key=key)
    gradients = []
    for (name, leaf), ready in ordered:
        done = total if ready.heavy == _CONSTANT else walk.work[ready.heavy]
        share = done / total if total else 1.0
        gradients.append(Gradient(name, leaf.shape, np.dtype(leaf.dtype).name, share))
    return gradients


def program_flops(function: Callable[..., Any], *arguments: Any) -> float:
    """Floating-point operations of all products and convolutions of `function`.

    Two per multiplication and addition; loops of unknown length count once.

    Args:
      function: nothing is run.
      *arguments: of `function`; arrays or their shapes.
    """
    return sum(map(_flops, jax.make_jaxpr(function)(*arguments).jaxpr.eqns))
