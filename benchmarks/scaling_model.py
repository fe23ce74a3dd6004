"""Predicted step time and efficiency at many devices, with what they rest on.

python -m benchmarks.scaling_model [--devices=27600]
"""

import dataclasses

from absl import app, flags

from benchmarks import results_file, scaling_figure
from parallel import scaling_report
from parallel.scaling_assumptions import Assumptions
from parallel.scaling_calibration import FITS, points
from parallel.scaling_sensitivity import COMPARED, sensitivities

_DEVICES = flags.DEFINE_integer("devices", 27_600, "At which assumptions are varied.")


def main(argv: list[str]) -> None:
    """Prints the report and writes results/scaling_model.json and .png."""
    del argv
    assumptions = Assumptions()
    print(scaling_report.report(_DEVICES.value))
    published = {
        name: [
            dataclasses.asdict(point) | {"error": point.error}
            for point in points(fit(assumptions), name)
        ]
        for name, fit in FITS.items()
    }
    changed = sensitivities(_DEVICES.value, assumptions)
    sources = {
        field.name: {"value": getattr(assumptions, field.name), **field.metadata}
        for field in dataclasses.fields(assumptions)
    }
    results = {
        "command": f"python -m benchmarks.scaling_model --devices={_DEVICES.value}",
        "kind": "predicted, not measured",
        "assumptions": sources,
        "curves": scaling_report.curves(assumptions),
        "published_points_by_fit": published,
        "sensitivity_protocols": COMPARED,
        "sensitivity": [dataclasses.asdict(one) for one in changed],
    }
    print(results_file.write("scaling_model", results))
    print(scaling_figure.draw(results, results_file.DIRECTORY / "scaling_model.png"))


if __name__ == "__main__":
    app.run(main)
