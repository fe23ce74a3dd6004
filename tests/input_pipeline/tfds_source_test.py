import subprocess
import sys

import numpy as np
import pytest

from input_pipeline import tfds_source
from input_pipeline.arrays import load_arrays
from input_pipeline.errors import DataError
from tests.input_pipeline.tiny_tfds import encoded, write_tfds

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3)).astype(np.uint8)
LABELS = [5, 99, 0, 1, 2, 3, 4, 4, 4]


def _write(data_dir, version="1.0.0", images=IMAGES, labels=LABELS):
    records = [encoded(image) for image in images]
    splits = {"train": (records, labels), "test": (records[:2], labels[:2])}
    return write_tfds(data_dir, "cifar100", splits, (32, 32, 3), 100, version)


def _load(data_dir, split="train", size=32):
    return load_arrays(
        "cifar100",
        split,
        image_size=size,
        resize="none",
        data_dir=str(data_dir),
        cache_dir=str(data_dir / "cache"),
        download=False,
    )


def test_a_prepared_set_is_read_in_its_order(tmp_path):
    _write(tmp_path)
    train, test = _load(tmp_path), _load(tmp_path, "test")
    np.testing.assert_array_equal(train.images, IMAGES)
    np.testing.assert_array_equal(train.labels, LABELS)
    np.testing.assert_array_equal(test.images, IMAGES[:2])
    assert train.num_labels == 100


def test_the_newest_version_counts_as_numbers_not_as_letters(tmp_path):
    _write(tmp_path, "3.0.9")
    _write(tmp_path, "3.0.10", IMAGES[::-1])
    _write(tmp_path, "3.0.2")
    np.testing.assert_array_equal(_load(tmp_path).images, IMAGES[::-1])


def test_a_label_without_a_name_is_a_damaged_record(tmp_path):
    _write(tmp_path, labels=[*LABELS[:-1], 100])
    with pytest.raises(DataError, match="record 8 of cifar100 train.*label 100 of 100"):
        _load(tmp_path)


def test_damaged_files_are_one_line_that_names_the_set(tmp_path):
    folder = _write(tmp_path)
    path = next(folder.glob("*train.array_record*"))
    content = path.read_bytes()
    for harmed in (content[: len(content) // 2], b"", None):
        path.unlink() if harmed is None else path.write_bytes(harmed)
        with pytest.raises(DataError, match="cifar100 train in .*data_dir") as caught:
            _load(tmp_path)
        assert "\n" not in str(caught.value)


def test_a_bit_that_fell_over_names_its_record(tmp_path):
    folder = _write(tmp_path)
    path = next(folder.glob("*train.array_record*"))
    content = bytearray(path.read_bytes())
    # In the middle of the fifth of nine records, of some 3 KB each.
    place = content.find(encoded(IMAGES[4])[200:260]) + 30
    content[place] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match="record 4 of cifar100 train"):
        _load(tmp_path)


def test_a_set_in_another_format_is_refused(tmp_path):
    folder = _write(tmp_path)
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    with pytest.raises(DataError, match="prepare it anew as ArrayRecord"):
        _load(tmp_path)


def test_reading_loads_no_tensorflow_and_looking_loads_nothing(tmp_path):
    _write(tmp_path)
    script = f"""
import pathlib, sys
from input_pipeline import tfds_source
data_dir = pathlib.Path({str(tmp_path)!r})
location = tfds_source.locate("cifar100", "train", data_dir)
assert "tensorflow_datasets" not in sys.modules
source = location.open()
source.use(0, lambda picture: picture.load())
assert "tensorflow_datasets" in sys.modules
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_download_that_fails_says_why(tmp_path, monkeypatch):
    def fail(*args, **settings):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("tensorflow_datasets.builder", fail)
    monkeypatch.setattr(
        tfds_source.importlib.util, "find_spec", lambda name: "tensorflow is there"
    )
    with pytest.raises(DataError, match="ConnectionError: no route to host"):
        tfds_source.prepare("cifar100", tmp_path)
