import pytest

from benchmarks.tilt_classes import scores_of, share


def test_the_step_that_validation_likes_best_is_shown():
    def scored(step, validation, materials):
        return {"step": step} | {
            f"{split}/{method}/accuracy": value
            for split, value in (
                ("validation", validation),
                ("materials", materials),
                ("settings", 0.5),
            )
            for method in ("network", "without image")
        }

    step, scores = scores_of([scored(1, 0.4, 0.2), scored(2, 0.3, 0.9)], 100)
    assert step == 1 and scores["materials"]["network"]["accuracy"] == 0.2


def test_the_interval_is_that_of_a_binomial():
    low, high = share(0.5, 100)["interval"]
    assert (low, high) == pytest.approx((0.398, 0.602), abs=1e-3)
