"""What is fitted is fitted, what is predicted is near, and the report says it all."""

import dataclasses

import pytest

from parallel.compute_timeline import ReadyGradient
from parallel.negotiation import PROTOCOLS
from parallel.scaling_assumptions import Assumptions, numeric_fields
from parallel.scaling_calibration import (
    AT_SCALE,
    FITS,
    TOLERANCE,
    at_scale_from_weak_scaling,
    fitted_on_weak_scaling,
    jitter_for,
    points,
)
from parallel.scaling_model import efficiency
from parallel.scaling_report import NUM_DEVICES, curves, report
from parallel.scaling_sensitivity import FACTORS, sensitivities, table

DEFAULT = Assumptions()


def test_the_defaults_are_what_the_fit_finds():
    fitted = fitted_on_weak_scaling(DEFAULT)
    assert DEFAULT.jitter == pytest.approx(fitted.jitter, rel=1e-3)
    assert DEFAULT.record_seconds == pytest.approx(fitted.record_seconds, rel=1e-3)


@pytest.mark.parametrize("distribution", ["normal", "exponential"])
@pytest.mark.parametrize("fit", FITS)
def test_the_model_meets_what_it_was_fitted_on_and_is_near_the_rest(fit, distribution):
    a = FITS[fit](dataclasses.replace(DEFAULT, distribution=distribution))
    found = points(a, fit)
    assert [point.fitted for point in found].count(True) == 2
    for point in found:
        assert abs(point.error) < (1e-6 if point.fitted else TOLERANCE), point


def test_the_ends_of_the_weak_scaling_enclose_its_middle():
    low, high = at_scale_from_weak_scaling(DEFAULT)
    assert low < efficiency("bitvector", AT_SCALE[0], DEFAULT) < high


def test_the_jitter_that_is_allowed_is_just_allowed():
    most = jitter_for(27_600, 0.97, "static plan", DEFAULT)
    for factor, enough in ((0.999, True), (1.001, False)):
        a = dataclasses.replace(DEFAULT, jitter=factor * most)
        assert (efficiency("static plan", 27_600, a) >= 0.97) is enough


def test_every_number_is_halved_and_doubled_and_the_weightiest_comes_first():
    found = sensitivities(27_600, DEFAULT)
    assert {(s.name, s.factor) for s in found} == {
        (name, factor) for name in numeric_fields() for factor in FACTORS
    }
    assert found[0].name == "jitter"
    by_key = {(s.name, s.factor): s for s in found}
    assert by_key["jitter", 0.5].change[2] > 0.03
    # Only the coordinator handles records.
    assert by_key["record_seconds", 2.0].change[0] < -0.01
    assert by_key["record_seconds", 2.0].change[1:] == (0, 0)
    halved = dataclasses.replace(DEFAULT, jitter=DEFAULT.jitter / 2)
    assert by_key["jitter", 0.5].efficiency[1] == efficiency(
        "bitvector", 27_600, halved
    )


def test_what_changes_nothing_takes_one_line():
    text, nothing = table(sensitivities(27_600, DEFAULT)).split("nothing: ")
    rows = [line.split() for line in text.splitlines()[1:]]
    idle = nothing.replace(",", " ").split()
    told = [row[0] for row in rows]
    assert sorted([*told[:: len(FACTORS)], *idle]) == sorted(numeric_fields())
    assert "jitter" in told
    assert "tree_arity" in idle  # of a protocol that is not compared


def test_the_data_of_the_plot_are_all_protocols_at_all_sizes():
    rows = curves(DEFAULT)
    assert len(rows) == len(PROTOCOLS) * len(NUM_DEVICES)
    for row in rows:
        assert row["seconds"] == row["compute_seconds"] + row["exposed_seconds"]
        assert row["efficiency"] == pytest.approx(0.92 / row["seconds"])


def test_the_report_shows_devices_points_assumptions_and_what_they_are_worth():
    text = report(5_000)
    assert "predicted, not measured" in text.lower()
    for name in (*PROTOCOLS, *(f.name for f in dataclasses.fields(Assumptions))):
        assert name in text
    (line,) = (line for line in text.splitlines() if line.endswith("  <"))
    assert line.split()[0] == "5,000"
    assert f"{efficiency('static plan', 5_000, DEFAULT):.4f}" in line
    assert "error -0.017  predicted, within 0.02" in text
    assert "would need a jitter of at most 0.00" in text


def test_the_report_of_another_network_keeps_the_published_points_out():
    timeline = (ReadyGradient("a", 0.5, 1e6), ReadyGradient("b", 1.0, 1e6))
    text = report(16, dataclasses.replace(DEFAULT, jitter=0.0), timeline)
    assert "Published points" not in text
    assert "given; the default 0.0226 is fitted" in text
    assert "would need a jitter" not in text
