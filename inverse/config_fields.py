"""Checks of single fields of a configuration, in the words of their names."""

import difflib
import math
from typing import Any, NoReturn

from inverse.errors import ConfigError


def field(config, path: str) -> Any:
    """The value of a field such as "model.dtype"."""
    section, _, name = path.rpartition(".")
    return (config[section] if section else config)[name]


def refuse(path: str, value: Any, remedy: str) -> NoReturn:
    """Raises a ConfigError: one line with the field, its value and the remedy."""
    raise ConfigError(f"config.{path}={value!r}: {remedy}.")


def check_choices(config, choices_of: dict[str, tuple[str, ...]]) -> None:
    """Refuses fields that are none of their choices."""
    for path, choices in choices_of.items():
        value = field(config, path)
        if value not in choices:
            close = difflib.get_close_matches(value, choices, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            refuse(
                path, value, f"{hint}choose one of {', '.join(filter(None, choices))}"
            )


def check_positive(config, paths: tuple[str, ...]) -> None:
    """Refuses fields that are not greater than 0, or infinite."""
    for path in paths:
        if not 0 < field(config, path) < math.inf:
            refuse(path, field(config, path), "must be positive, and finite")


def check_span(config, paths: tuple[str, ...]) -> None:
    """Refuses fields that are not (smallest, largest)."""
    for path in paths:
        value = tuple(field(config, path))
        if len(value) != 2 or not value[0] <= value[1]:
            refuse(path, value, "must be (smallest, largest)")
