"""A run goes on with the data that it began with, or not at all."""

import numpy as np
import pytest
from PIL import Image

from gan import inference
from gan.train import train_and_evaluate
from parallel.errors import RunError
from tests.gan.small_run import small_run_config


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(folder of two labels, workdir of a run of two steps with them, its fields)."""
    root = tmp_path_factory.mktemp("begun")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / "set" / name).mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 256, (32, 32), np.uint8)
            Image.fromarray(pixels).save(root / "set" / name / f"{number}.png")
    fields = {
        "dataset__name": f"folder:{root / 'set'}",
        "dataset__num_labels": 2,
        "dataset__cache_dir": str(root / "cache"),
        "per_entry_batch_size": 8,
    }
    train_and_evaluate(small_run_config(2, **fields), str(root / "run"))
    return root / "set", root / "run", fields


def test_the_same_data_goes_on(begun):
    _, workdir, fields = begun
    train_and_evaluate(small_run_config(3, **fields), str(workdir))
    assert (workdir / "checkpoints" / "3").is_dir()


def test_a_label_of_another_name_is_named(begun):
    folder, workdir, fields = begun
    (folder / "cat").rename(folder / "zebra")
    try:
        with pytest.raises(RunError, match=r"label 0 of the run is 'cat', .* 'dog'"):
            train_and_evaluate(small_run_config(4, **fields), str(workdir))
        with pytest.raises(RunError, match="label 0 of the run is 'cat'"):
            inference.evaluate(small_run_config(4, **fields), str(workdir), "latest")
    finally:
        (folder / "zebra").rename(folder / "cat")


def test_other_images_are_refused(begun):
    folder, workdir, fields = begun
    path, kept = folder / "dog" / "0.png", (folder / "dog" / "0.png").read_bytes()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    try:
        with pytest.raises(RunError, match="not those that the run was trained on"):
            train_and_evaluate(small_run_config(4, **fields), str(workdir))
    finally:
        path.write_bytes(kept)
