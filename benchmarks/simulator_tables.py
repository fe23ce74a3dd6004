"""The simulator beside abTEM's numbers, and beside a real image."""

import pathlib

from benchmarks.table import NOT_RUN, Table, read, source

_DIFFERENCES = {
    "cbed_on_abtem_slices": "patterns, on abTEM's slices",
    "haadf_on_abtem_slices": "HAADF, on abTEM's slices",
    "cbed_on_own_slices": "patterns, each on its own",
    "potential": "potential",
    "haadf_mean": "HAADF, mean of the scan",
    "haadf_largest": "HAADF, largest",
    "potential_with_factor": "potential, abTEM's grid factors given",
    "cbed_with_factor": "patterns, likewise",
    "haadf_largest_with_factor": "HAADF, largest, likewise",
}


def agreement(directory: pathlib.Path) -> list[Table]:
    """Relative differences from abTEM, specimen by specimen."""
    results = read(directory, "simulator_agreement")
    rows = tuple(
        (specimen, *(f"{found[name]:.1e}" for name in _DIFFERENCES))
        for specimen, found in results.get("relative_difference", {}).items()
    )
    return [
        Table(
            "simulator_agreement",
            "Multislice beside abTEM: relative differences",
            ("specimen", *_DIFFERENCES.values()),
            rows or ((NOT_RUN,) * (len(_DIFFERENCES) + 1),),
            source(results),
        )
    ]


def strontium_titanate(directory: pathlib.Path) -> list[Table]:
    """Ratio of Sr to Ti columns by ring, thickness and source size; misfits."""
    results = read(directory, "strontium_titanate")
    simulated = results.get("column_ratio_simulated", {})
    misfits = results.get("cell_misfit_rms", {})
    rows = [
        (name, f"{ratio:.2f}", f"{misfits[name]:.1%}" if name in misfits else NOT_RUN)
        for name, ratio in simulated.items()
    ]
    if "spacing_a" in results:
        spacing = results["spacing_a"]
        larger = [a / spacing["crystal"] - 1 for a in spacing["experiment"]]
        ratio = f"{results['column_ratio_experiment']:.2f}"
        sides = " and ".join(f"{share:.1%}" for share in larger)
        rows.append((f"the image; its cells are {sides} larger", ratio, NOT_RUN))
    return [
        Table(
            "strontium_titanate",
            "SrTiO3 [001] beside a real image",
            ("ring, thickness, source", "Sr / Ti columns", "misfit of the cell, rms"),
            tuple(rows) or ((NOT_RUN,) * 3,),
            source(results),
        )
    ]
