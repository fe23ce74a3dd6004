"""Cells of tables, and numbers as the README writes them."""

import re
from collections.abc import Iterable

from benchmarks.table import Table


def cell(table: Table, column: str, *names: str) -> str:
    """The cell in `column` of the one row that has all of `names` among its cells."""
    (row,) = [row for row in table.rows if set(names) <= set(row)]
    return row[table.columns.index(column)]


def numbers(text: str) -> list[float]:
    """Numbers of a cell, in order."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def span(values: Iterable[float], digits: int = 0) -> str:
    """The least to the most, as "2 to 2.8"."""
    values = list(values)
    least, most = (f"{f(values):.{digits}f}" for f in (min, max))
    return f"{least.removesuffix('.0')} to {most.removesuffix('.0')}"
