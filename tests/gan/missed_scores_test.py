"""Scores that a killed run owed are made up for, and no best checkpoint is missed."""

import json

import pytest

from gan.train import train_and_evaluate
from parallel.best_checkpoint import BestCheckpoint
from parallel.checkpoint import Checkpointer
from parallel.fault_injection import parse_faults
from parallel.survival import Survival
from tests.gan.small_run import small_run_config


class _Judge:
    """Finds everything alike, at once."""

    def run(self, fakes, labels):
        return {"fid": 1.0}


@pytest.mark.parametrize("killed_in", [(_Judge, "run"), (BestCheckpoint, "offer")])
def test_a_step_that_a_stop_left_without_scores_is_scored_before_the_next_one(
    tmp_path, monkeypatch, killed_in
):
    config = small_run_config(
        4, evaluation__networks=("own_classifier",), evaluation__best_metric="fid"
    )
    config.evaluation.every_steps = config.checkpoint_every_steps = 2
    monkeypatch.setattr("gan.data.make_evaluator", lambda *_: _Judge())

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            survival = Survival(faults=parse_faults("term@1"))
            train_and_evaluate(config, str(tmp_path), survival)
    train_and_evaluate(config, str(tmp_path))
    lines = (tmp_path / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    # The same score again beats nothing.
    assert Checkpointer(tmp_path / "best", keep=None).all_steps() == [2]
