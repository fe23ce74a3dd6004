"""Labels apart wait seldom and send next to nothing; the model says how little."""

import dataclasses

import numpy as np
import pytest

from parallel.jitter import slowdown
from parallel.label_scaling import (
    LabelAssumptions,
    averaged_seconds,
    curves,
    label_sharded_seconds,
)

DEFAULT = LabelAssumptions()
STEADY = dataclasses.replace(DEFAULT, jitter=0.0)


def test_without_jitter_only_the_gathered_metrics_make_a_step_longer():
    alone = label_sharded_seconds(1, STEADY)
    # Two devices of a process average a pair's gradients: halves out, halves back.
    assert alone == pytest.approx(0.02 + 2 * (3e-6 + 25.4e6 / 2 / 50e9))
    many = label_sharded_seconds(1_000, STEADY)
    gathered = 2 * (10 * 10e-6 + 16 * 1_000 / 25e9)
    assert many - alone == pytest.approx(gathered / 50, rel=1e-9)


def test_steps_that_vary_even_out_between_logs():
    """The mean of the slowest of many runs of 50 steps, drawn."""
    a = dataclasses.replace(
        DEFAULT, devices_per_process=1, gradient_bytes=1.0, metric_bytes=0.0
    )
    a = dataclasses.replace(a, node_latency_seconds=1e-12)
    draws = np.random.default_rng(0).normal(1, a.jitter, (400, 100, 50))
    slowest = draws.mean(axis=2).max(axis=1)
    error = slowest.std() / np.sqrt(len(slowest))
    predicted = label_sharded_seconds(100, a) / a.compute_seconds
    assert abs(predicted - slowest.mean()) < 3 * error
    # And it is far from what a process that keeps its pace would cost.
    assert slowdown(100, a.jitter) - slowest.mean() > 30 * error


@pytest.mark.parametrize("num_processes", [2, 10, 1_000])
def test_labels_apart_lose_least_and_one_pair_most(num_processes):
    vary = label_sharded_seconds(num_processes, DEFAULT)
    keep = label_sharded_seconds(num_processes, DEFAULT, keeps_pace=True)
    assert vary < keep
    sharded = keep / label_sharded_seconds(1, DEFAULT)
    averaged = averaged_seconds(num_processes, DEFAULT) / averaged_seconds(1, DEFAULT)
    assert sharded < averaged


def test_the_curves_reach_what_was_published():
    rows = curves(DEFAULT)
    last = [row for row in rows if row["num_processes"] == 1_000]
    assert len(last) == 3 and {row["num_devices"] for row in last} == {2_000}
    for row in rows:
        if row["num_processes"] == 1:
            assert row["efficiency"] == 1
        else:
            assert 0 < row["efficiency"] < 1


@pytest.mark.parametrize("name", ["compute_seconds", "steps_between_logs"])
def test_an_assumption_that_makes_no_sense_is_named(name):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(DEFAULT, **{name: 0})
