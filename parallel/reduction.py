"""How the gradients of many devices become one."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Reduction(NamedTuple):
    """Everything in a training step that crosses devices.

    Attributes:
      as_local: parameters -> this device's own copy. Without it, gradients of
        replicated parameters are summed by automatic differentiation itself, and
        an average taken afterwards changes nothing: they stay n times too large.
      reduce: gradients of this device's examples -> of the whole batch.
      mean: any metric of this device's examples -> of the whole batch.
      axis_name: mesh axis that is reduced over, None on one device; layers that
        keep batch statistics want it.
    """

    as_local: Callable[[Any], Any]
    reduce: Callable[[Any], Any]
    mean: Callable[[Any], Any]
    axis_name: str | None


def mean_over(axis_name: str) -> Reduction:
    """Averages every leaf over `axis_name`."""
    mean = functools.partial(jax.lax.pmean, axis_name=axis_name)

    def as_local(params: Any) -> Any:
        cast = functools.partial(jax.lax.pcast, axis_name=(axis_name,), to="varying")
        return jax.tree.map(cast, params)

    return Reduction(as_local, reduce=mean, mean=mean, axis_name=axis_name)


def _same(tree: Any) -> Any:
    return tree


ON_ONE_DEVICE = Reduction(_same, reduce=_same, mean=_same, axis_name=None)
