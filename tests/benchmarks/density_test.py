"""The table of the density network says what its scores say."""

import json

import pytest

from benchmarks.density import seconds_of, table_of
from inverse.density.evaluate import SCORES


def test_every_method_and_split_has_a_row_and_what_was_not_run_has_none():
    scores = {f"materials/network/{name}": 0.12345 for name in SCORES}
    scores |= {f"materials/mean/{name}": 0.5 for name in SCORES}
    scores["materials/mean/column_error_pm"] = None
    head, _, *rows = table_of([scores])
    assert head.count("|") == len(SCORES) + 3
    network, mean = rows
    assert network.split(" | ")[2:] == [*["0.123"] * 5, "0.1 |"]
    assert mean.endswith("| 0.500 |  |")


def test_seeds_are_told_by_mean_and_spread():
    runs = [{"materials/network/ssim": value} for value in (0.5, 0.6, 0.7)]
    assert "| 0.600 ± 0.100 |" in table_of(runs)[-1]


def test_minutes_are_those_of_all_ticks(tmp_path):
    ticks = [(50, 10.0), (100, 40.0)]
    (tmp_path / "metrics.jsonl").write_text(
        "\n".join(json.dumps({"step": s, "samples_per_second": r}) for s, r in ticks)
    )
    assert seconds_of(tmp_path, 8) == pytest.approx(50 * 8 / 10 + 50 * 8 / 40)


def test_differences_are_those_of_each_seeds_own_scans():
    """Scans that are hard for both change neither the difference nor its spread."""
    runs = [
        {
            "materials/network/column_recall": hard + 0.02,
            "materials/single_slice/column_recall": hard,
        }
        for hard in (0.5, 0.7, 0.9)
    ]
    assert "less phase retrieval" in table_of(runs)[-1]
    assert "| +0.020 ± 0.000 |" in table_of(runs)[-1]
