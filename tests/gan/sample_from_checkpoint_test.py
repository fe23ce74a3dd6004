"""Laws of sampling from a checkpoint alone."""

import json
import shutil

import numpy as np
import pytest

from gan import inference
from gan.train import train_and_evaluate
from parallel.errors import RunError
from tests.gan.small_run import small_run_config


def test_sampling_needs_a_checkpoint_alone_and_repeats_itself(
    uninterrupted, monkeypatch
):
    monkeypatch.setattr("gan.data.load", None)  # no data set
    config, workdir = small_run_config(), str(uninterrupted)
    _, first = inference.sample(config, workdir, "latest", "3,5", 4, seed=0)
    with np.load(first) as file:
        images, labels = file["images"], file["labels"]
    assert images.shape == (8, 16, 16, 1)
    np.testing.assert_array_equal(labels, [3, 3, 3, 3, 5, 5, 5, 5])
    _, second = inference.sample(config, workdir, "latest", "5", 2, seed=0)
    with np.load(second) as file:  # fewer images of fewer labels: the same ones
        np.testing.assert_array_equal(file["images"], images[4:6])
    _, third = inference.sample(config, workdir, "latest", "mixture", 20, seed=1)
    with np.load(third) as file:
        assert len(set(file["labels"].tolist())) > 3


def test_a_run_from_before_a_field_was_added_is_still_read(uninterrupted, tmp_path):
    """It did what the field's first value says."""
    shutil.copytree(uninterrupted, tmp_path / "run")
    record = tmp_path / "run" / "config.json"
    held = json.loads(record.read_text())
    del held["optimizer"]["decay_share"]
    record.write_text(json.dumps(held))
    inference.sample(small_run_config(), str(tmp_path / "run"), "latest", "3", 1, 0)
    other = small_run_config(optimizer__decay_share=0.5)
    with pytest.raises(RunError, match=r"decay_share is 0.0 there and 0.5 here"):
        inference.sample(other, str(tmp_path / "run"), "latest", "3", 1, 0)


def test_all_labels_and_long_lists_of_them_can_be_sampled(uninterrupted):
    config, workdir = small_run_config(), str(uninterrupted)
    _, every = inference.sample(config, workdir, "latest", "all", 2, seed=0)
    text = ",".join("0123456789" * 20)
    _, listed = inference.sample(config, workdir, "latest", text, 1, seed=0)
    with np.load(every) as file:
        np.testing.assert_array_equal(file["labels"], np.repeat(np.arange(10), 2))
    with np.load(listed) as file:
        assert len(file["images"]) == 200


def test_a_generator_that_knows_no_labels_is_asked_for_none(tmp_path):
    config = small_run_config(2, model__conditioning="none")
    train_and_evaluate(config, str(tmp_path))
    with pytest.raises(ValueError, match="knows no labels"):
        inference.sample(config, str(tmp_path), "latest", "3,5", 4, seed=0)
    _, drawn = inference.sample(config, str(tmp_path), "latest", "mixture", 4, seed=0)
    with np.load(drawn) as file:
        assert file.files == ["images"]


def test_a_checkpoint_is_not_read_as_another_configuration(uninterrupted):
    other = small_run_config(optimizer__loss="hinge")
    for use in (
        lambda: inference.evaluate(other, str(uninterrupted), "latest"),
        lambda: inference.sample(other, str(uninterrupted), "latest", "3", 1, seed=0),
    ):
        with pytest.raises(RunError, match="optimizer.loss is 'non_saturating' there"):
            use()


def test_sampling_refuses_what_is_no_label(uninterrupted):
    for labels in ("10", "-1", "three", ""):
        with pytest.raises(ValueError, match="from 0 to 9"):
            inference.sample(
                small_run_config(), str(uninterrupted), "latest", labels, 4, seed=0
            )


def test_sampling_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(RunError, match="no complete checkpoint"):
        inference.sample(
            small_run_config(), str(tmp_path), "best", "mixture", 4, seed=0
        )
