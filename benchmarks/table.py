"""A table of results: as Markdown, as CSV and, where it helps, as a picture."""

import csv
import dataclasses
import io
import json
import pathlib
from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

NOT_RUN = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text; what was not run is an empty cell.

    Attributes:
      name: of its files.
      title: what it shows.
      columns: their headings.
      rows: cells, as many as columns.
      notes: where the numbers come from, and what they are not.
      draw: draws the picture; None for none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    draw: Callable[[Axes], None] | None = None

    def __post_init__(self):
        """Checks that every row has a cell per column."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: {row} does not fit {self.columns}.")

    def markdown(self) -> str:
        """The table with its title above and its notes below."""
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |"]
        lines += [f"|{'---|' * len(self.columns)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Columns and rows, nothing else."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def write(self, directory: pathlib.Path) -> None:
        """Writes NAME.md, NAME.csv and NAME.png."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.md").write_text(self.markdown())
        (directory / f"{self.name}.csv").write_text(self.csv())
        picture = directory / f"{self.name}.png"
        picture.unlink(missing_ok=True)
        if self.draw:
            figure = Figure(figsize=(6.4, 4), layout="constrained")
            axes = figure.add_subplot()
            self.draw(axes)
            axes.set_title(self.title, fontsize=9)
            # Without a date or a version, so that the same results are the same file.
            figure.savefig(picture, dpi=100, metadata={"Software": None})


def read(directory: pathlib.Path, name: str) -> dict[str, Any]:
    """The results of one measurement; empty where it was not made."""
    path = directory / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def source(results: dict[str, Any]) -> tuple[str, ...]:
    """A note that says where, when and with what `results` were made."""
    if not results:
        return ("Not run yet.",)
    told = f"{results['kind']}. " if "kind" in results else ""
    return (
        f"{told[:1].upper()}{told[1:]}{results['device']}, {results['processor']}, "
        f"Python {results['python']}, jax {results['jax']}, flax {results['flax']}, "
        f"{results['date']}: `{results['command']}`",
    )


def draw_lines(
    rows: list[dict], name: str, x: str, y: str, *, scale: str, labels: tuple[str, str]
) -> Callable[[Axes], None] | None:
    """What draws a line for each row[name], of row[y] over row[x]; None for no rows."""
    lines = {}
    for row in rows:
        xs, ys = lines.setdefault(row[name], ([], []))
        xs.append(row[x])
        ys.append(row[y])

    def draw(axes: Axes) -> None:
        for line, (xs, ys) in lines.items():
            axes.plot(xs, ys, marker="o", markersize=3, label=line)
        axes.set_xscale("log")
        axes.set_yscale(scale)
        if scale == "symlog":
            axes.set_ylim(bottom=-0.5)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)

    return draw if rows else None
