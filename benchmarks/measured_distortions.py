"""Measured micrographs, as a trained distortion network maps them.

python -m benchmarks.measured_distortions --config=configs/stem_distortion.py:tuned \
    --config.evaluation.num_examples=1024 --workdir=runs/tuned --data=../shared/data

SrTiO3 is cubic at room temperature: every target should be consistent with zero. The
ADF and ABF images of an oxide were recorded at once; their file gives a pixel without a
unit, which is taken for nm; it is not seen along [001], so its columns are mapped.
Writes measured_distortions.json and a picture of each.
"""

import json
import pathlib
import shutil

import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import results_file
from inverse.distortion import predict as distortion_predict
from inverse.distortion.mean_distortions import SHOWN
from inverse.micrograph.column_map import place_text

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "That was trained."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Of the run.", required=True)
_DATA = flags.DEFINE_string("data", "../shared/data", "Has micrographs/.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", "best", "best or latest.")

# Files, the detector of each, A per pixel where the files do not say it, the oxide.
IMAGES = {
    "strontium_titanate": (("SrTiO3_stem_1024.ser",), "HAADF", 0.0, "SrTiO3"),
    "oxide": (
        ("oxide_ADF_cropped.hdf5", "oxide_ABF_cropped.hdf5"),
        "HAADF+ABF",
        0.0932627,
        "",
    ),
}


def verdict(mean: dict[str, dict]) -> dict:
    """What the targets say of zero that the network sees: others are the training's."""
    seen = {name: values for name, values in mean.items() if values["seen"]}
    against = [n for n, values in seen.items() if not values["consistent_with_zero"]]
    return {
        "seen": list(seen),
        "targets": len(mean),
        "consistent_with_zero": not against,
        "not_consistent": against,
        # Whose means over all cells say nothing: they are zero of any crystal.
        "origin": [name for name, values in seen.items() if values["is_origin"]],
        "cells_with_zero_in_95": {
            name: values["cells_with_zero_in_95"] for name, values in seen.items()
        },
    }


def predict(config, name: str) -> dict:
    """Maps one of IMAGES; returns the prediction's summary."""
    files, detectors, pixel_a, oxide = IMAGES[name]
    folder = pathlib.Path(_DATA.value) / "micrographs"
    with config.unlocked():
        config.prediction.detectors = detectors
        config.prediction.pixel_a = pixel_a
        config.prediction.oxide = oxide
    paths = ",".join(str(folder / file) for file in files)
    target = distortion_predict.predict(
        config, _WORKDIR.value, _CHECKPOINT.value, paths
    )
    picture = results_file.DIRECTORY / f"{name}_distortions.png"
    shutil.copyfile(target.with_suffix(".png"), picture)
    found = json.loads(target.read_text())
    # Of another zone axis than the network's, columns are told and nothing else.
    return found | ({"verdict": verdict(found["mean"])} if "mean" in found else {})


def _rows(found: dict[str, dict]) -> list[str]:
    rows = [
        "| image | target | mean over cells | largest of 2 x 2 | spread | 68 % | "
        "95 % | cells not zero | seen | zero in 95 % |",
        "|---" * 10 + "|",
    ]
    for image, summary in found.items():
        for name, values in summary.get("mean", {}).items():
            numbers = (values[key] for key in SHOWN)
            said = "yes" if values["consistent_with_zero"] else "no"
            # Rounded first: no minus before a zero.
            cells = " | ".join(f"{round(value, 2) + 0.0:.2f}" for value in numbers)
            away = f"{1 - values['cells_with_zero_in_95']:.0%}"
            seen = "yes" if values["seen"] else "no"
            rows.append(f"| {image} | {name} | {cells} | {away} | {seen} | {said} |")
        rows += _column_rows(image, summary)
    return rows


def _column_rows(image: str, summary: dict) -> list[str]:
    """Fitted columns: how they scatter, and the standard error of one by noise."""
    rows = []
    for kind in summary.get("columns", []):
        where = place_text(np.array(kind["site"]))
        name = f"{kind['detector']} columns at {where} of a cell [{summary['unit']}]"
        spread = float(np.hypot(*kind["rms_shift"]) / np.sqrt(2))
        rows.append(
            f"| {image} | {name} | | | {spread:.2f} | {kind['noise_68']:.2f} | | | | |"
        )
    for name, rms in summary.get("detectors_differ", {}).items():
        both = f"{name}, over root 2 [{summary['unit']}]"
        apart = float(np.hypot(*rms) / np.sqrt(2))
        rows.append(f"| {image} | {both} | | | {apart:.2f} | | | | | |")
    return rows


def main(argv: list[str]) -> None:
    """Writes results/measured_distortions.json and the pictures."""
    del argv
    config = _CONFIG.value
    found = {name: predict(config, name) for name in IMAGES}
    path = pathlib.Path(_WORKDIR.value).expanduser()
    results = {
        "command": "python -m benchmarks.measured_distortions "
        "--config=configs/stem_distortion.py:tuned "
        f"--config.evaluation.num_examples={config.evaluation.num_examples} "
        f"--workdir={path.name}",
        "title": "Measured images as the trained network maps them, degrees or pm",
        "images": found,
        "table": _rows(found),
    }
    for name, summary in found.items():
        print(name, summary.get("verdict", summary.get("columns")))
    print(results_file.write("measured_distortions", results))


if __name__ == "__main__":
    app.run(main)
