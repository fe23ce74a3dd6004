"""A pytree as a flat dict of plain names: what a checkpoint holds."""

from typing import Any

import jax


def named_leaves(tree: Any) -> dict[str, Any]:
    """Flattens a pytree to {"section/name": leaf}.

    Raises:
      ValueError: two leaves have one name, e.g. {"a": {"b": ...}, "a/b": ...}.
    """
    named = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in named:
            raise ValueError(f"two leaves are called {name!r}: rename one.")
        named[name] = leaf
    return named


def from_named_leaves(template: Any, named: dict[str, Any]) -> Any:
    """Puts `named` leaves in the places that they have in `template`."""
    names = named_leaves(template)
    return jax.tree.unflatten(
        jax.tree.structure(template), [named[name] for name in names]
    )
