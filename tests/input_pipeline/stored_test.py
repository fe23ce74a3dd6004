"""Stored examples come back as they were written, and damage is noticed."""

import json

import numpy as np
import pytest

from input_pipeline.errors import DataError
from input_pipeline.stored import StoredExamples, shard_path, write_shard

SIZES = (4, 4, 2)  # of the shards


def _example(number):
    draw = np.random.default_rng(number)
    return {
        "patterns": draw.random((3, 3, 4), np.float32),
        "density": draw.random((3, 3), np.float32),
    }


def _write(folder):
    first = 0
    for shard, size in enumerate(SIZES):
        numbers = range(first, first + size)
        keys = [f"{number:016x}" for number in numbers]
        write_shard(folder, "train", shard, first, map(_example, numbers), keys)
        first += size


def _halves(*numbers):
    return np.array([(0, number) for number in numbers], np.uint32)


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_examples_come_back_to_the_bit_in_any_order(tmp_path):
    _write(tmp_path)
    stored = StoredExamples(str(tmp_path), "train")
    assert stored.num_examples == sum(SIZES) and not stored.corrupt
    found = stored.read(_halves(9, 0, 5, 5))
    for place, number in enumerate((9, 0, 5, 5)):
        for name, expected in _example(number).items():
            np.testing.assert_array_equal(found[name][place], expected)


def test_a_flipped_bit_stops_the_run_and_names_the_shard(tmp_path):
    _write(tmp_path)
    _flip_a_bit(shard_path(tmp_path, "train", 1))
    with pytest.raises(DataError, match="train-00001.array_record: is not what was"):
        StoredExamples(str(tmp_path), "train")


@pytest.mark.parametrize("missing", [False, True])
def test_a_corrupt_shard_is_skipped_with_a_count(tmp_path, caplog, missing):
    _write(tmp_path)
    damaged = shard_path(tmp_path, "train", 1)
    damaged.unlink() if missing else _flip_a_bit(damaged)
    stored = StoredExamples(str(tmp_path), "train", "skip")
    assert stored.corrupt == [damaged]
    assert "4 of 10 examples of 'train' are skipped" in caplog.text
    # What is readable stays where it is; what is lost is another one, always the same.
    found = stored.read(_halves(*range(10)))["density"]
    readable = {n: _example(n)["density"].tobytes() for n in (0, 1, 2, 3, 8, 9)}
    for number, bits in readable.items():
        assert found[number].tobytes() == bits
    assert all(found[n].tobytes() in readable.values() for n in range(4, 8))
    again = StoredExamples(str(tmp_path), "train", "skip")
    np.testing.assert_array_equal(again.read(_halves(*range(10)))["density"], found)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no examples of 'train'"):
        StoredExamples(str(tmp_path), "train")
    _write(tmp_path)
    with pytest.raises(DataError, match="holds 10 examples .* number 10 is asked for"):
        StoredExamples(str(tmp_path), "train").read(_halves(10))
    shard_path(tmp_path, "train", 1).with_suffix(".json").unlink()
    with pytest.raises(DataError, match="train-00001.json: is missing"):
        StoredExamples(str(tmp_path), "train")


def test_a_shard_says_what_its_examples_are_made_from(tmp_path):
    _write(tmp_path)
    said = json.loads(shard_path(tmp_path, "train", 2).with_suffix(".json").read_text())
    assert said["keys"] == [f"{8:016x}", f"{9:016x}"]
    assert said["fields"]["density"] == ["<f4", [3, 3]]
