import types

import numpy as np
import pytest

from benchmarks import distortion_table
from inverse.distortion.conformal import Calibrated


def predictions(gain: float):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(300, 2, 2, 3))
    half = np.stack([np.ones_like(truth), 2 * np.ones_like(truth)])
    blind = Calibrated(np.zeros_like(truth), np.zeros_like(truth), half)
    return blind._replace(mean=gain * truth), blind, truth


def test_what_is_better_than_the_mean_is_told_and_what_is_not_is_not():
    better = distortion_table.score(*predictions(0.5), [0, 2])
    assert better["rmse"] == pytest.approx(0.5, abs=0.05)
    assert better["of_mean"] == pytest.approx(0.5)
    low, high = better["interval"]
    assert low < better["rmse"] < high
    assert distortion_table.is_told(better)
    assert not distortion_table.is_told(distortion_table.score(*predictions(0), [1]))


def test_coverage_is_the_share_inside_each_interval():
    found = distortion_table.score(*predictions(0), [0, 1, 2])
    assert found["inside_68"] == pytest.approx(0.683, abs=0.03)
    assert found["inside_95"] == pytest.approx(0.954, abs=0.02)


@pytest.mark.parametrize(
    ("bound", "says"), [(0.9, "yes"), (1.7, "in part"), (1.9, "hardly"), (None, "no")]
)
def test_a_bound_beside_the_spread_says_what_is_identifiable(bound, says):
    bounds = {
        "with_prior_rms": {"HAADF": {} if bound is None else {"B": bound}},
        "spread_of_draws": {"B": 2.0},
    }
    assert distortion_table.identifiable("B", bounds, "HAADF") == says


def test_errors_by_focus_are_those_of_the_crystals_seen_there():
    made, blind, truth = predictions(0.5)
    focus = np.linspace(-30, 30, len(truth), endpoint=False)
    far = focus >= 0
    # Beyond 0 the network says the mean.
    half = np.where(far[:, None, None, None], 0.0, made.mean)
    evaluator = types.SimpleNamespace(
        channels=types.SimpleNamespace(
            names=("shift_A_x_P1_pm", "shift_B_z_P0_pm", "shift_O_z_P0_pm")
        ),
        splits={"new": types.SimpleNamespace(defocus_a=focus)},
        truth={"new": truth},
    )
    given = {"new/network": made._replace(mean=half), "new/mean": blind}
    near, beyond = distortion_table.by_defocus(evaluator, given, "new", [-30, 0, 30])
    assert near["crystals"] + beyond["crystals"] == len(truth)
    scores = [part["network"]["shift_A_x_P1_pm"]["of_mean"] for part in (near, beyond)]
    assert scores == pytest.approx([0.5, 1.0])
    bounds = {"with_prior_rms_by_defocus": 2 * [{"ABF": {"shift_A_x_P1_pm": 0.7}}]}
    _, _, row = distortion_table.defocus_rows([near, beyond], bounds, "ABF")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "shift_A_x_P1_pm"
    assert cells[3] == cells[6] == "0.7"
    for cell, part, who in zip(
        (cells[1], cells[2], cells[4], cells[5]),
        (near, near, beyond, beyond),
        2 * ("network", "mean"),
        strict=True,
    ):
        assert cell.startswith(f"{part[who]['shift_A_x_P1_pm']['rmse']:.2f} (")
