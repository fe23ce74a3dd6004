import pytest

from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from tests.parallel.small_states import abstract, bits, numbers


@pytest.mark.parametrize(
    ("larger_is_better", "kept"), [(False, [1, 1, 3, 3]), (True, [1, 2, 2, 2])]
)
def test_only_the_step_with_the_best_score_is_kept(tmp_path, larger_is_better, kept):
    best = BestCheckpoint(tmp_path, larger_is_better=larger_is_better)
    for step, score in enumerate((2.0, 3.0, 1.0, float("nan")), start=1):
        is_new = best.offer(step, "fid_r10", score, numbers(step), {})
        expected = kept[step - 1]
        assert is_new == (expected == step)
        assert best.checkpointer.all_steps() == [expected]
    best.checkpointer.close()
    reader = Checkpointer(tmp_path, keep=None)
    restored = reader.restore(kept[-1], abstract(numbers()))
    assert bits(restored) == bits(numbers(kept[-1]))
    reader.close()


def test_a_resumed_run_ends_with_the_best_step_of_an_uninterrupted_one(tmp_path):
    scores = {10: 3.0, 20: 2.0, 30: 2.5, 40: 1.0, 50: 1.0}

    def run(directory, steps):
        best = BestCheckpoint(directory, larger_is_better=False)
        for step in steps:
            best.offer(step, "fid_r10", scores[step], numbers(step), {})
        kept = best.checkpointer.all_steps(), best.checkpointer.extra(40)["score"]
        best.checkpointer.close()
        return kept

    # Killed after it scored step 40, before the checkpoint of step 20 had a successor.
    run(tmp_path / "resumed", (10, 20, 30, 40))
    resumed = run(tmp_path / "resumed", (30, 40, 50))
    assert resumed == run(tmp_path / "whole", scores) == ([40], 1.0)


def test_a_better_score_at_an_earlier_or_the_same_step_replaces_the_best(tmp_path):
    best = BestCheckpoint(tmp_path, larger_is_better=False)
    for step, score in ((30, 3.0), (20, 2.0), (20, 1.0)):
        assert best.offer(step, "fid_r10", score, numbers(int(score)), {})
    assert best.checkpointer.all_steps() == [20]
    restored = best.checkpointer.restore(20, abstract(numbers()))
    assert bits(restored) == bits(numbers(1))
    best.checkpointer.close()


def test_of_two_steps_that_a_kill_left_behind_the_better_one_counts(tmp_path):
    # The new best, of an earlier step, was complete; the old one was still to go.
    left = Checkpointer(tmp_path, keep=None)
    left.save(10, numbers(1), {"score": 1.0, "score_name": "fid_r10"})
    left.save(20, numbers(2), {"score": 2.0, "score_name": "fid_r10"})
    left.close()
    best = BestCheckpoint(tmp_path, larger_is_better=False)
    assert not best.offer(30, "fid_r10", 1.5, numbers(3), {})
    assert best.offer(40, "fid_r10", 0.5, numbers(4), {})
    assert best.checkpointer.all_steps() == [40]
    best.checkpointer.close()


def test_scores_of_other_names_do_not_compare(tmp_path):
    best = BestCheckpoint(tmp_path, larger_is_better=True)
    assert best.offer(10, "fid_r10", 35.0, numbers(1), {})
    assert best.offer(20, "own_label_accuracy_f10", 0.9, numbers(2), {})
    assert not best.offer(30, "own_label_accuracy_f10", 0.8, numbers(3), {})
    assert best.checkpointer.all_steps() == [20]
    best.checkpointer.close()
