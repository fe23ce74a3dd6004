"""What the README has to say of distortions in numbers."""

import statistics

from benchmarks.results_file import read
from benchmarks.table import Table
from inverse.simulator.crystal_images import IMAGES
from tests.readme_cells import cell, numbers, span


def distortion_claims(tables: dict[str, Table]) -> list[str]:
    trained, one = read("stem_distortion"), tables["stem_distortion"]
    splits = read("stem_distortion_splits")
    together = cell(tables["stem_distortion_splits"], _ALL, "materials", "network")
    together = numbers(together)
    inside = [numbers(row[one.columns.index("68 / 95 %")])[::3] for row in one.rows]
    return [
        f"{trained['crystals'] * splits['seconds_per_crystal'] / 60:.0f} minutes for "
        f"{trained['crystals']:,} crystals",
        f"then {splits['training_seconds'] / 60:.0f} minutes for "
        f"{trained['num_steps']:,} steps of {trained['batch_size']} images, "
        f"{trained['energy_ev'] / 1e3:.0f} kV",
        f"of {trained['num_examples']:,} crystals",
        f"hold {together[0]:.0f} and {together[3]:.0f} % of all targets together",
        f"of single targets {span(share for share, _ in inside)} % and "
        f"{span(share for _, share in inside)} %",
        *_agreement(read("channelling_agreement")["agreement"]),
        *_bounds(tables["distortion_bounds"], one),
        *_beside_the_mean(tables["stem_distortion_splits"], one),
        *_by_focus(read("stem_distortion_defocus"), read("distortion_bounds")),
        *_apparent(read("depth_sensitivity")),
        *_known(read("known_conditions")),
        *_classes(tables["tilt_classes"]),
        *_measured(tables["measured_distortions"]),
    ]


_ALL = "68 / 95 % of all targets"
_IN_PHASE = "tilt_repeating_z_P0_deg"
_TOLD = (_IN_PHASE, *(f"shift_{ion}_{axis}_P0_pm" for ion in "ABO" for axis in "xy"))


def _agreement(found: dict) -> list[str]:
    """Fast images of crystals beside multislice, all compounds and detectors."""
    every = [of[name]["correlation"] for of in found.values() for name in IMAGES]
    faster = [of["full_seconds"] / of["seconds"] for of in found.values()]
    return [
        f"correlate to {min(every):.3f} to {max(every):.3f}, {min(faster):.0f} to "
        f"{max(faster):.0f} times as fast"
    ]


def _bounds(bounds: Table, errors: Table) -> list[str]:
    def bound(target, column="HAADF+ABF+iDPC"):  # with the prior, in brackets
        return cell(bounds, column, target).partition("(")[2].rstrip(")")

    def mean(target):
        return cell(errors, "mean", target).split(" ")[0]

    a, b, o = (bound(f"shift_{ion}_x_P0_pm") for ion in "ABO")
    x, y, z = (f"tilt_alternating_{axis}_P0_deg" for axis in "xyz")
    return [
        f"{bound(_IN_PHASE)} degrees of in-phase tilt about the beam, {a} pm of A, {b} "
        f"of B, {o} of O",
        f"x and y {bound(x)} degrees where the mean errs by {mean(x)}",
        f"out-of-phase tilts about the beam {bound(z)} of {mean(z)}",
        f"{bound(_IN_PHASE, 'ABF')} degrees about the beam and {bound(x, 'ABF')} and "
        f"{bound(y, 'ABF')} across it",
    ]


def _beside_the_mean(splits: Table, errors: Table) -> list[str]:
    def rmse(column, *names):
        return cell(splits, column, *names).split(" ")[0]

    tilt, b = "tilt_z_in_phase_deg", "B_pm"
    better = [
        float(rmse(name, "materials", "mean"))
        / float(rmse(name, "materials", "network"))
        for name in (tilt, "A_pm", b, "O_pm")
    ]
    columns = [
        float(rmse(name, "materials", "columns"))
        / float(rmse(name, "materials", "network"))
        for name in (tilt, "A_pm", b, "O_pm")
    ]
    worse = [
        numbers(cell(errors, "network", target))[0]
        / float(cell(errors, "best linear", target))
        for target in _TOLD
    ]
    other = {
        name: f"{rmse(name, 'settings', 'network')} of {rmse(name, 'settings', 'mean')}"
        for name in (tilt, b)
    }
    first = {
        ion: [
            cell(errors, column, f"shift_{ion}_x_P1_pm").split(" ")[0]
            for column in ("network", "mean", "best linear")
        ]
        for ion in "AB"
    }
    return [
        f"A's {first['A'][0]} of {first['A'][1]} pm and B's {first['B'][0]} of "
        f"{first['B'][1]} (linear, all else known: {first['A'][2]} and "
        f"{first['B'][2]})",
        f"{span(better, 1)} times better than the mean",
        f"{span(columns, 1)} times better than the places of columns",
        f"{span(worse, 1)} times these, which are means over "
        f"{read('distortion_bounds')['crystals']} crystals",
        f"(about x {rmse('tilt_x_deg', 'materials', 'network')})",
        f"tilt {other[tilt]}, B {other[b]}",
    ]


def _by_focus(found: dict, bounds: dict) -> list[str]:
    """First moments in the first third of the foci and in the last."""
    said, by_focus = [], bounds["with_prior_rms_by_defocus"]
    for place in (0, -1):
        here, bound = found["spans"][place], by_focus[place]["HAADF+ABF+iDPC"]
        rmse = {
            ion: [here[who][f"shift_{ion}_x_P1_pm"]["rmse"] for who in _WHO]
            for ion in "AB"
        }
        a, b = (bound[f"shift_{ion}_x_P1_pm"] for ion in "AB")
        said.append(
            f"A's {rmse['A'][0]:.2f} of {rmse['A'][1]:.2f} pm and B's "
            f"{rmse['B'][0]:.2f} of {rmse['B'][1]:.2f} ({a:.2f} and {b:.2f})"
        )
    low, high = found["spans"][0]["defocus_a"]
    return [*said, f"{-high:.0f} to {-low:.0f} A above"]


_WHO = ("network", "mean")


def _apparent(found: dict) -> list[str]:
    """Where A seems to stand in HAADF and iDPC, of the foci but the outermost."""
    said = []
    for place in (1, -2):
        crystals = found["apparent_shift"]["A"][place]
        haadf, _, idpc = (
            f"{statistics.mean(of):+.2f} ± {statistics.pstdev(of):.2f}"
            for of in zip(*crystals, strict=True)
        )
        focus = found["foci_a"][place]
        where = f"{abs(focus):.0f} A {'above the surface' if focus < 0 else 'below'}"
        said.append(f"{where}, {haadf} pm in HAADF and {idpc} in iDPC")
    return said


def _known(found: dict) -> list[str]:
    """First moments of A by a linear estimate that is told all but the distortions."""

    def error(focus, dose):
        values = found["errors"][f"{focus} A, 1e{dose}"]["shift_A_x_P1_pm"]
        return f"{values['rmse']:.2f} of {values['rms']:.2f}"

    above, below, clean = error(-20, 4), error(20, 4), error(20, 7).split(" ")[0]
    return [
        f"of {found['oxide']} 20 A above A's {above} pm, 20 A below {below}, there "
        f"without noise {clean}"
    ]


def _classes(table: Table) -> list[str]:
    (network, low, high), usual = (
        numbers(cell(table, column, "materials").replace("-", " "))
        for column in ("network", "commonest class")
    )
    run = read("tilt_classes")
    return [
        f"{network:.0f} % ({low:.0f} to {high:.0f}) on held-out compounds, where the "
        f"commonest class has {usual[0]:.0f} % ({usual[1]:.0f} to {usual[2]:.0f}; "
        f"chance: {cell(table, 'chance', 'materials')} %)",
        f"{run['num_steps']:,} steps of {run['batch_size']} on {run['crystals']:,} "
        "crystals",
    ]


def _measured(table: Table) -> list[str]:
    found = read("measured_distortions")["images"]["strontium_titanate"]
    cells = found["cells"]
    cubic = [row for row in table.rows if row[0] == "strontium_titanate"]
    seen = [row for row in cubic if row[-2] == "yes"]
    zero = [row for row in seen if row[-1] == "yes"]
    columns = [row for row in table.rows if row[0] == "oxide"]
    spread, error = (
        [float(value) for row in columns if (value := row[table.columns.index(column)])]
        for column in ("spread", "68 %")
    )

    def both(column, ion):
        """Along x and y, of depth means."""
        targets = [f"shift_{ion}_{axis}_P0_pm" for axis in "xy"]
        return " and ".join(cell(table, column, target) for target in targets)

    def told(column, ion):
        return f"{both(column, ion)} pm (95 %: {both('95 %', ion)})"

    mean = "mean over cells"
    return [
        f"over {cells[0]} x {cells[1]} cells",
        f"all {len(zero)} targets of {len(cubic)} that it sees"
        if len(zero) == len(seen)
        else "not all",
        f"scatter by {span(spread[:5], 1)} pm where noise alone makes {span(error, 1)}",
        f"agree to {max(spread[5:]):.1f} pm",
        "tilt of whatever kind it does not see"
        if not [row for row in seen if row[1].startswith("tilt")]
        else f"it sees {both(mean, 'A')} degrees",
        f"no more than {told('largest of 2 x 2', 'A')}",
        f"B's {told(mean, 'B')}",
        f"O's {told(mean, 'O')}".replace(" pm", ""),
        f"{both('cells not zero', 'B')} of the cells".replace("%", " %"),
        f"its cell {100 * (found['cell_a'] / _SIDE_A - 1):.1f} % larger",
    ]


_SIDE_A = 3.905  # of SrTiO3's cell at room temperature, inverse/simulator/oxides.csv
