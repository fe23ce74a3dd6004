"""Every table of results, made of the files in benchmarks/results/.

python -m benchmarks.tables [--table=NAME|all] [--workdirs=RUN,RUN]

Prints Markdown and writes Markdown, CSV and pictures to benchmarks/results/tables/. A
measurement that was not made is an empty cell; models, which take seconds, are computed
on the spot. Any other result file with a field "table" (lines of Markdown) is a table
by its own name.
"""

import json
import pathlib
from collections.abc import Sequence

from absl import app, flags

from benchmarks import (
    gan_table,
    model_tables,
    reduction_tables,
    scaling_tables,
    simulator_tables,
    speed_tables,
    start_up_tables,
)
from benchmarks.results_file import DIRECTORY
from benchmarks.table import Table, source

_TABLE = flags.DEFINE_string("table", "all", "Name of one table, or all.")
_WORKDIRS = flags.DEFINE_list("workdirs", [], "Finished GAN runs, for --table=gan.")
_OUT = flags.DEFINE_string("out", str(DIRECTORY / "tables"), "Where files go.")

_MAKERS = (
    scaling_tables.weak_scaling,
    reduction_tables.compiled,
    reduction_tables.netlab,
    speed_tables.speed,
    speed_tables.torch_compile,
    speed_tables.rates,
    start_up_tables.start_up,
    start_up_tables.start_up_reading,
    simulator_tables.agreement,
    simulator_tables.strontium_titanate,
)
# They rest on no file of results.
_MODELS = (
    model_tables.weak_scaling_model,
    model_tables.control_plane,
    model_tables.scaling_model,
)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _own_tables(directory: pathlib.Path) -> list[Table]:
    """Tables that measurements wrote themselves."""
    tables = []
    for path in sorted(directory.glob("*.json")):
        results = json.loads(path.read_text())
        # Those of the comparison of GANs are rows of a larger table.
        if "table" in results and not path.stem.startswith("gan_comparison"):
            head, _, *body = results["table"]
            rows = tuple(map(_cells, body))
            title = results.get("title", path.stem.replace("_", " "))
            tables.append(Table(path.stem, title, _cells(head), rows, source(results)))
    return tables


def make_all(
    directory: pathlib.Path = DIRECTORY, workdirs: Sequence[str] = ()
) -> dict[str, Table]:
    """Makes every table, by name, of the result files in `directory` and of models."""
    tables = gan_table.make(directory, workdirs)
    for make in _MAKERS:
        tables += make(directory)
    for compute in _MODELS:
        tables += compute()
    return {table.name: table for table in [*tables, *_own_tables(directory)]}


def main(argv: list[str]) -> None:
    """Prints and writes what was asked for."""
    del argv
    tables = make_all(DIRECTORY, _WORKDIRS.value)
    if _TABLE.value not in ("all", *tables):
        raise app.UsageError(
            f"--table={_TABLE.value}: choose all or one of {', '.join(tables)}."
        )
    for name, table in tables.items():
        if _TABLE.value in ("all", name):
            table.write(pathlib.Path(_OUT.value))
            print(table.markdown())


if __name__ == "__main__":
    app.run(main)
