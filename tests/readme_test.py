"""Every number among the README's results is one that results hold, where it stands."""

import pathlib
import re

import pytest

from benchmarks.table import Table
from benchmarks.tables import make_all
from tests.readme_chosen import CHOSEN, DISTORTIONS, MNIST, REDUCTION
from tests.readme_claims import claims

README = (pathlib.Path(__file__).resolve().parent.parent / "README.md").read_text()
# Section -> cells that a row has in the table of results and need not have here.
ROWS_OF = {
    MNIST: {"mnist"},
    DISTORTIONS: {"materials"},
    REDUCTION: {"density_paper_local", "h200_4x8"},
}
# The README's wording of a heading or a cell -> that of the table of results.
WORDING = {
    "label-sharded (`tuned`)": "label-sharded",
    "`conditional`": "conditional",
    "`single`": "single",
    "held-out compounds": "method",
    "in-phase tilt about the beam": "tilt_z_in_phase_deg",
    **{ion: f"{ion}_pm" for ion in "ABO"},
    "network, HAADF + ABF + iDPC": "network",
    "network, HAADF alone": "network of HAADF",
    "the mean": "mean",
    "places of columns in all three, regressed": "columns",
    "groups of 50 MiB": "50 MiB",
    "groups of 25 MiB, scheduler told": "25 MiB, told",
    "optimal groups, told": "optimal, told",
    "the compiler's own, told": "compiler's own, told",
}
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-\d+)?(?!\w)")


@pytest.fixture(scope="module", name="tables")
def _tables() -> dict[str, Table]:
    return make_all()


def sections(readme: str) -> dict[str, str]:
    """Text below each heading, less blocks of code."""
    text = re.sub(r"^```.*?^```$", "", readme, flags=re.DOTALL | re.MULTILINE)
    found = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def prose(section: str) -> str:
    """A section's sentences: neither tables nor pictures nor links nor `code`."""
    lines = [x for x in section.splitlines() if not x.startswith(("|", "!["))]
    text = re.sub(r"\[[^]]*\]\([^)]*\)", "", "\n".join(lines))
    return " ".join(re.sub(r"`[^`]*`", "`", text).split())


def rows(section: str) -> list[dict[str, str]]:
    """Rows of a section's tables, by heading, in the wording of results."""
    found, heads = [], None
    for line in section.splitlines():
        cells = [WORDING.get(c.strip(), c.strip()) for c in line.strip("|").split("|")]
        if not line.startswith("|"):
            heads = None
        elif heads is None:
            heads = cells
        elif not set(line) <= set("|-: "):
            found.append(dict(zip(heads, cells, strict=True)))
    return found


def is_row_of(table: Table, row: dict[str, str], others: set[str]) -> bool:
    """Whether one row of `table` has every cell of `row` below the same heading.

    A cell below no heading may stand anywhere in that row.
    """
    if not row.keys() - {""} <= set(table.columns):
        return False
    return any(
        others <= set(whole)
        and all(
            shown in ([whole[table.columns.index(head)]] if head else whole)
            for head, shown in row.items()
            if shown
        )
        for whole in table.rows
    )


def unfounded_in(
    name: str, section: str, told: list[str], tables: dict[str, Table]
) -> list[str]:
    """What a section says that results do not, and what of `told` it does not say."""
    found, others = [], ROWS_OF.get(name, set())
    for row in rows(section):
        if not any(is_row_of(table, row, others) for table in tables.values()):
            found.append(f"{name}: no table has the row {row}")
    rest = prose(section)
    for phrase in (*told, *CHOSEN[name]):
        if phrase not in rest:
            found.append(f"{name}: does not say {phrase!r}")
        rest = rest.replace(phrase, " ", 1)
    for number in NUMBER.finditer(rest):
        about = rest[max(0, number.start() - 30) : number.end() + 30]
        found.append(f"{name}: nothing holds {number.group()} in ...{about}...")
    return found


def unfounded(readme: str, tables: dict[str, Table]) -> list[str]:
    """What is wrong with the README's results, section by section."""
    texts, told = sections(readme), claims(tables)
    return [
        one
        for name in told
        for one in unfounded_in(name, texts[name], told[name], tables)
    ]


def test_the_readme_shows_no_number_that_results_do_not_hold(tables):
    assert unfounded(README, tables) == []


def test_every_table_of_results_is_looked_at():
    """Other sections' tables hold commands, names and promises."""
    looked_at = {name for name, text in sections(README).items() if rows(text)}
    without = {"Train, look, score, sample", "Scores", "Map of rooms", "Guarantees"}
    assert looked_at - without == CHOSEN.keys()


# Pattern of what the README says -> what it says instead; a space is any.
MUTATIONS = {
    "another time": (r"take \d+ ms", "take 8 ms"),
    "another time of the peer": (r"PyTorch's \d+ ms", "PyTorch's 8 ms"),
    "a target that is missed, met": ("target of 0.9 is met", "target of 0.9 is missed"),
    "another ratio": (r"it is \S+ to \S+ times", "it is 1.7 to 3.9 times"),
    "another share": (r"\d+ to \d+ % off the", "22 to 26 % off the"),
    "other fakes": ("10,000 fakes", "50,000 fakes"),
    "a number of another place": (
        r"and \S+ to \S+ times better than the places",
        "and 2.5 to 4.1 times better than the places",
    ),
    "a number more": ("No GPU was at hand", "In 12 ms no GPU was at hand"),
    "a number of another column": (r"(\| `conditional` \|)[^|]*\|([^|]*)", r"\1\2|\2"),
    "another name of a row": (r"\| `conditional` \|", "| `single` |"),
    "another heading": (r"FID \| intra-class FID", "intra-class FID | FID"),
    "a row of another link": (r"\| 25 \|", "| 50 |"),
    "another unit": (r"ms\) \|", "s) |"),
    "a target of a step": (r"\(target 0.9: met\)", "(target 0.7: met)"),
    "a spread less": (r"\(\S+-\S+\) ms", "ms"),
}


@pytest.mark.parametrize(("said", "instead"), MUTATIONS.values(), ids=MUTATIONS)
def test_what_is_changed_is_found(said, instead, tables):
    results = README.index("## Results")
    changed = re.sub(said.replace(" ", r"\s+"), instead, README[results:], count=1)
    assert changed != README[results:]
    assert unfounded(README[:results] + changed, tables)


def test_any_number_that_is_changed_is_found(tables):
    told, texts, unseen = claims(tables), sections(README), []
    for name in CHOSEN:
        text = texts[name]
        shown = re.sub(r"`[^`]*`", lambda code: "`" * len(code.group()), text)
        for number in NUMBER.finditer(shown):
            if text[: number.start()].rpartition("\n")[2].startswith("!["):
                continue
            changed = f"{text[: number.start()]}7{text[number.start() :]}"
            if not unfounded_in(name, changed, told[name], tables):
                unseen.append(f"{name}: {number.group()}")
    assert unseen == []


def test_two_rows_that_are_exchanged_are_found(tables):
    row = {
        name: re.search(rf"\| {re.escape(name)} \|(.*)", README).group(1)
        for name in ("label-sharded (`tuned`)", "`conditional`")
    }
    ours, other = row.values()
    exchanged = README.replace(ours, "@").replace(other, ours).replace("@", other)
    found = unfounded(exchanged, tables)
    assert len(found) == 2 and all("no table has the row" in one for one in found)
