"""The best step by a score: kept, replaced, and never trusted once it is damaged."""

import re

import pytest

from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.fault_injection import damage
from parallel.saved_run import open_saved
from parallel.verify import verify_workdir
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


@pytest.mark.parametrize("when", ["before the run", "while it runs"])
def test_a_damaged_best_is_named_and_the_next_score_takes_its_place(
    tmp_path, caplog, monkeypatch, when
):
    monkeypatch.setattr("parallel.rejected_steps.log.propagate", True)
    best = BestCheckpoint(tmp_path / "best", larger_is_better=False)
    assert best.offer(10, "fid_r10", 1.0, numbers(1), {})
    if when == "before the run":
        best.checkpointer.close()
        best = BestCheckpoint(tmp_path / "best", larger_is_better=False)
    damage(tmp_path / "best" / "10", "flip")
    assert not best.offer(15, "fid_r10", float("nan"), numbers(1), {})
    # Worse than what was damaged, and as good as there is.
    assert best.offer(20, "fid_r10", 2.0, numbers(2), {})
    assert re.search(
        r"best/10 is passed over: \S+ is not what was written", caplog.text
    )
    assert best.checkpointer.all_steps() == [20]
    assert (tmp_path / "best-rejected" / "10").is_dir()
    restored = best.checkpointer.restore(20, abstract(numbers()))
    assert bits(restored) == bits(numbers(2))
    assert not best.offer(30, "fid_r10", 3.0, numbers(3), {})
    best.checkpointer.close()


def test_of_two_steps_the_one_that_is_whole_is_to_be_beaten(tmp_path):
    left = Checkpointer(tmp_path / "best", keep=None)
    left.save(10, numbers(1), {"score": 1.0, "score_name": "fid_r10"})
    left.save(20, numbers(2), {"score": 2.0, "score_name": "fid_r10"})
    left.close()
    damage(tmp_path / "best" / "10", "flip")
    best = BestCheckpoint(tmp_path / "best", larger_is_better=False)
    assert not best.offer(30, "fid_r10", 2.5, numbers(3), {})
    assert best.offer(40, "fid_r10", 1.5, numbers(4), {})
    assert best.checkpointer.all_steps() == [40]
    best.checkpointer.close()


def test_a_damaged_best_is_refused_with_the_remedy_and_the_latest_is_opened(tmp_path):
    for name, step in (("best", 10), ("checkpoints", 20)):
        saves = Checkpointer(tmp_path / name, keep=None)
        saves.save(step, numbers(step), {})
        saves.close()
    assert open_saved(str(tmp_path), "best", {}, ())[1] == 10
    damage(tmp_path / "best" / "10", "flip")
    with pytest.raises(RunError, match=r"best can be .*10: .*give --checkpoint=latest"):
        open_saved(str(tmp_path), "best", {}, ())
    assert open_saved(str(tmp_path), "latest", {}, ())[1] == 20
    damage(tmp_path / "checkpoints" / "20", "flip")
    with pytest.raises(RunError, match=r"checkpoints can be .*20: .*train again"):
        open_saved(str(tmp_path), "latest", {}, ())


def test_a_damaged_best_is_seen_when_a_workdir_is_verified(tmp_path, capsys):
    for name in ("best", "checkpoints"):
        saves = Checkpointer(tmp_path / name, keep=None)
        saves.save(10, numbers(1), {})
        saves.close()
    assert verify_workdir(str(tmp_path))
    damage(tmp_path / "best" / "10", "flip")
    assert not verify_workdir(str(tmp_path))
    said = capsys.readouterr().out.splitlines()[2:]
    assert said[0] == "checkpoints/10: good"
    assert re.match(r"best/10: \S+ is not what was written", said[1])
