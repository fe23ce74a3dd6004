"""Every number in the README's tables of results is printed by benchmarks.tables."""

import pathlib
import re

import pytest

from benchmarks.tables import make_all

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Sections whose tables hold commands, names and promises, and no measurement.
NO_RESULTS = {
    "Train, look, score, sample",
    "Scores",
    "Map of rooms",
    "Guarantees",
}
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")


def numbers(text: str) -> set[str]:
    """Numbers that stand alone: 1,024 and 0.5, but not those in fid_r1000."""
    return {found.rstrip(",") for found in NUMBER.findall(text)}


def result_rows(readme: str) -> list[tuple[str, str]]:
    """(section, cells after the first) of every row; the first names what is shown."""
    rows, section, head = [], "", True
    for line in readme.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        if not line.startswith("|"):
            head = True
        elif head:
            head = False
        elif not set(line) <= set("|-: ") and section not in NO_RESULTS:
            rows.append((section, line.strip("|").partition("|")[2]))
    return rows


def not_printed(readme: str, printed: list[str]) -> list[str]:
    """Rows with numbers that no one of the printed tables holds all of."""
    tables = [numbers(text) for text in printed]
    return [
        f"{section}: {cells}"
        for section, cells in result_rows(readme)
        if not any(numbers(cells) <= table for table in tables)
    ]


def test_the_readme_shows_no_number_that_its_commands_do_not_print():
    readme = (ROOT / "README.md").read_text()
    rows = result_rows(readme)
    assert any("3.75" in cells for _, cells in rows)
    printed = [table.markdown() for table in make_all().values()]
    assert not_printed(readme, printed) == []


README = (
    "## Results\n\n| | FID |\n|---|---|\n| ours, batch 64 | **{}** of `a_7.json` |\n"
)


@pytest.mark.parametrize(
    ("shown", "is_printed"),
    [("3.75 ± 0.65", True), ("3.8 ± 0.65", False), ("3.75 ± 1,024", False), ("", True)],
)
def test_the_check_bites(shown, is_printed):
    printed = ["| ours | 3.75 ± 0.65 |", "| other | 1,024 |"]
    assert (not_printed(README.format(shown), printed) == []) is is_printed


def test_tables_without_results_are_left_alone():
    assert not_printed(README.replace("Results", "Guarantees").format("5"), []) == []
