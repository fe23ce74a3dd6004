"""Refuses configurations of distortions that cannot work."""

import math

from inverse.config_fields import check_choices, check_positive, check_span, refuse
from inverse.distortion.scores import SCORES
from inverse.simulator.crystal_images import IMAGES
from inverse.simulator.oxides import load_oxides

# What a kind of network predicts, and what it may be trained and chosen with.
LOSSES = {"map": ("gaussian",), "angles": ("mse",), "classes": ("cross_entropy",)}
# What networks of maps look at: cells as a whole, or pixels.
FORMS = ("cells", "pixels")

_POSITIVE = (
    *("dataset.views", "dataset.cells", "dataset.max_tilt_deg", "dataset.max_shift_a"),
    *("dataset.num_moments", "dataset.energy_ev", "dataset.semiangle_mrad"),
    *("dataset.bright_mrad", "dataset.pixels_per_cell", "dataset.gpts_per_cell"),
    *("dataset.tilt_scale_deg", "dataset.shift_scale_pm", "evaluation.num_examples"),
    *(
        "model.binning",
        "model.features",
        "model.num_blocks",
        "evaluation.every_steps",
        "evaluation.num_panels",
    ),
)
_SPANS = (
    *("dataset.haadf_mrad", "dataset.defocus_a", "dataset.held_out_defocus_a"),
    *("dataset.source_rms_a", "dataset.log10_dose"),
)


def check(config) -> None:
    """Checks the fields that only this task has.

    Raises:
      ConfigError: one line with the field, its value and the remedy.
    """
    check_choices(config, {"model.kind": tuple(LOSSES), "model.form": FORMS})
    kind = config.model.kind
    check_choices(
        config,
        {"optimizer.loss": LOSSES[kind], "evaluation.best_metric": SCORES[kind]},
    )
    check_positive(config, _POSITIVE)
    check_span(config, _SPANS)
    if not 0 <= config.optimizer.beta <= 1:
        refuse("optimizer.beta", config.optimizer.beta, "must lie within 0 and 1")
    dataset = config.dataset
    known = [oxide.formula for oxide in load_oxides()]
    check_choices(config, {"prediction.oxide": ("", *known)})
    if not 0 <= config.prediction.pixel_a < math.inf:
        refuse(
            "prediction.pixel_a",
            config.prediction.pixel_a,
            "must be a size in A, or 0 for that of the file",
        )
    for formula in dataset.held_out:
        if formula not in known:
            refuse("dataset.held_out", formula, f"known oxides are {', '.join(known)}")
    if not dataset.held_out or len(set(dataset.held_out)) == len(known):
        refuse(
            "dataset.held_out", dataset.held_out, "must leave some and hold out some"
        )
    if dataset.cells % 2:
        refuse("dataset.cells", dataset.cells, "must be even: tilts alternate")
    if dataset.pixels_per_cell % 4:
        refuse("dataset.pixels_per_cell", dataset.pixels_per_cell, "must divide by 4")
    halves = 2 * config.model.binning
    if config.model.form == "cells" and dataset.pixels_per_cell % halves:
        refuse(
            "model.binning",
            config.model.binning,
            f"half of config.dataset.pixels_per_cell={dataset.pixels_per_cell} must "
            "be a multiple",
        )
    if not 4 <= dataset.thinnest <= dataset.layers:
        refuse(
            "dataset.thinnest",
            dataset.thinnest,
            f"must lie within 4 and config.dataset.layers={dataset.layers}",
        )
    sets = (*dataset.detector_sets, *config.evaluation.detector_sets)
    for names in sets:
        if not set(names.split("+")) <= set(IMAGES):
            refuse(
                "dataset.detector_sets", names, f"join any of {', '.join(IMAGES)} by +"
            )
    if len(dataset.detector_weights) != len(dataset.detector_sets):
        refuse(
            "dataset.detector_weights",
            tuple(dataset.detector_weights),
            f"must be as many as config.dataset.detector_sets={dataset.detector_sets}",
        )
