"""Real oxide perovskites ABO3: their atoms and the size of their pseudo-cubic cell."""

import csv
import dataclasses
import math
import pathlib

_TABLE = pathlib.Path(__file__).with_name("oxides.csv")


@dataclasses.dataclass(frozen=True)
class Oxide:
    """One compound at room temperature.

    Attributes:
      formula: such as "SrTiO3".
      a_site: atomic number of A.
      b_site: atomic number of B.
      pseudo_cubic_a: side of the cube of one formula unit's volume [A].
      compared: with which second copy of the publication the lattice parameters
        were compared ("COD": the Crystallography Open Database); "no": with none,
        they are rounded to 0.001 A.
      source: the publication of the lattice parameters.
    """

    formula: str
    a_site: int
    b_site: int
    pseudo_cubic_a: float
    compared: str
    source: str


def _oxide(row: dict[str, str]) -> Oxide:
    sides = math.prod(float(row[name]) for name in "abc")
    volume = sides * math.sin(math.radians(float(row["gamma"])))
    return Oxide(
        formula=row["formula"],
        a_site=int(row["a_site"]),
        b_site=int(row["b_site"]),
        pseudo_cubic_a=(volume / int(row["formula_units"])) ** (1 / 3),
        compared=row["compared"],
        source=row["source"],
    )


def load_oxides(formulas: tuple[str, ...] = ()) -> tuple[Oxide, ...]:
    """Reads the table, or the named compounds of it in the order of their names.

    Raises:
      ValueError: a name is not in the table.
    """
    with _TABLE.open(newline="") as lines:
        table = {row["formula"]: _oxide(row) for row in csv.DictReader(lines)}
    unknown = [name for name in formulas if name not in table]
    if unknown:
        raise ValueError(f"no such oxide: {unknown}; known: {', '.join(table)}.")
    return tuple(table[name] for name in formulas or table)
