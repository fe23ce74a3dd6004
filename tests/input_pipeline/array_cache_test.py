import json
import os
import threading
import time

import numpy as np
import pytest

from input_pipeline import array_cache
from input_pipeline.cache_key import CacheKey
from input_pipeline.errors import DataError

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], np.int32)
BOTH = ("images", "labels")


def _fill(into, images=IMAGES, labels=LABELS):
    array_cache.write_array(into / "images.npy", images.shape, np.uint8, [images])
    array_cache.write_array(into / "labels.npy", labels.shape, np.int32, [labels])
    return {"label_names": ["a", "b"]}


def _written(tmp_path):
    where = tmp_path / "set"
    array_cache.write(where, _fill)
    return where


def test_what_is_written_is_read(tmp_path):
    found = array_cache.read(_written(tmp_path), BOTH)
    np.testing.assert_array_equal(found.arrays["images"], IMAGES)
    np.testing.assert_array_equal(found.arrays["labels"], LABELS)
    assert found.arrays["labels"].dtype == np.int32
    assert found.facts == {"label_names": ["a", "b"]}
    assert isinstance(found.arrays["images"], np.memmap)
    assert not found.arrays["images"].flags.writeable


def test_an_array_written_in_pieces_is_the_file_that_numpy_writes(tmp_path):
    pieces = [IMAGES[:2], IMAGES[2:3], IMAGES[3:]]
    array_cache.write_array(tmp_path / "pieces.npy", IMAGES.shape, np.uint8, pieces)
    np.save(tmp_path / "whole.npy", IMAGES)
    assert (tmp_path / "pieces.npy").read_bytes() == (
        tmp_path / "whole.npy"
    ).read_bytes()


@pytest.mark.parametrize(
    "pieces", [[IMAGES[:2]], [IMAGES, IMAGES], [IMAGES[:, :2]], [IMAGES.astype(int)]]
)
def test_pieces_that_do_not_make_up_the_array_are_refused(tmp_path, pieces):
    with pytest.raises(ValueError):
        array_cache.write_array(tmp_path / "a.npy", IMAGES.shape, np.uint8, pieces)


def test_the_manifest_records_checksums_that_anybody_can_check(tmp_path):
    where = _written(tmp_path)
    files = json.loads((where / "manifest.json").read_text())["files"]
    for name in BOTH:
        path = where / f"{name}.npy"
        assert files[name]["sha256"] == array_cache.checksum(path)
        assert files[name]["bytes"] == path.stat().st_size
    assert files["images"]["shape"] == [5, 4, 3]


def test_other_content_has_another_digest(tmp_path):
    digests = set()
    for number, labels in enumerate((LABELS, LABELS, LABELS[::-1])):
        where = tmp_path / str(number)
        array_cache.write(
            where, lambda into, labels=labels: _fill(into, IMAGES, labels)
        )
        digests.add(array_cache.read(where, BOTH).digest)
    assert len(digests) == 2


def test_nothing_is_read_while_it_is_being_written(tmp_path):
    where, seen = tmp_path / "set", []

    def fill(into):
        facts = _fill(into)
        seen.append(array_cache.read(where, BOTH))
        return facts

    array_cache.write(where, fill)
    assert seen == [None]
    assert array_cache.read(where, BOTH) is not None


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def fill(into):
        _fill(into)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        array_cache.write(tmp_path / "set", fill)
    assert [path.name for path in tmp_path.iterdir()] == [".set.lock"]


def test_of_two_writers_one_does_the_work_and_both_end_well(tmp_path):
    where, barrier = tmp_path / "set", threading.Barrier(2)
    errors, fills = [], []

    def fill(into):
        fills.append(into)
        time.sleep(0.3)
        return _fill(into)

    def write():
        try:
            barrier.wait(10)
            array_cache.write(where, fill)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(fills) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.lock", "set"]
    np.testing.assert_array_equal(
        array_cache.read(where, BOTH).arrays["images"], IMAGES
    )


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _longer(path):
    path.write_bytes(path.read_bytes() + b"\0")


def _shorter(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "name", ["images.npy", "labels.npy", "manifest.json"], ids=lambda n: n[:6]
)
@pytest.mark.parametrize(
    "harm",
    [
        _flip_a_bit,
        _longer,
        _shorter,
        lambda p: p.unlink(),
        lambda p: p.write_text("{}"),
    ],
)
def test_damage_is_refused_in_one_line_that_names_the_directory(tmp_path, name, harm):
    where = _written(tmp_path)
    harm(where / name)
    with pytest.raises(DataError, match="remove that directory") as caught:
        array_cache.read(where, BOTH)
    message = str(caught.value)
    assert str(where) in message and "config.dataset.cache_dir" in message
    assert "\n" not in message


def test_pickles_are_never_executed(tmp_path):
    where = _written(tmp_path)
    np.save(where / "images.npy", np.array([print], object), allow_pickle=True)
    manifest = json.loads((where / "manifest.json").read_text())
    content = (where / "images.npy").read_bytes()
    sums = {"sha256_of_blocks": [array_cache.checksum(where / "images.npy")]}
    manifest["files"]["images"] |= {"bytes": len(content), **sums}
    (where / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="ickle"):
        array_cache.read(where, BOTH)


def test_of_a_large_file_blocks_are_verified_from_its_first_to_its_last(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(array_cache, "_BLOCK", 16)
    monkeypatch.setattr(array_cache, "_MOST_VERIFIED", 48)
    where = tmp_path / "set"
    images = np.zeros((40, 4, 3), np.uint8)
    array_cache.write(where, lambda into: _fill(into, images))
    size = (where / "images.npy").stat().st_size
    original = (where / "images.npy").read_bytes()
    found = []
    for place in range(0, size, 16):
        content = bytearray(original)
        content[place] ^= 1
        (where / "images.npy").write_bytes(content)
        try:
            array_cache.read(where, BOTH)
        except DataError:
            found.append(place // 16)
    header, last = 128 // 16, (size - 1) // 16
    assert found[0] == 0 and [b for b in found if b >= header] == [last // 2, last]


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="config.dataset.cache_dir=.*file"):
        array_cache.write(tmp_path / "file" / "set", _fill)


def test_the_users_cache_directory_is_where_xdg_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert array_cache.directory("") == tmp_path / "label-sharded-gans"
    assert array_cache.directory("elsewhere").name == "elsewhere"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert array_cache.directory("").parts[-2:] == (".cache", "label-sharded-gans")


def test_keys_tell_everything_apart_that_changes_the_content(tmp_path):
    keys = [
        CacheKey("mnist", "train", "32-pad", "data"),
        CacheKey("mnist", "test", "32-pad", "data"),
        CacheKey("mnist", "train", "64-pad", "data"),
        CacheKey("mnist", "train", "32-pad", "other"),
        CacheKey("folder:/a b", "train", "32-pad", "data"),
        CacheKey("folder:/a_b", "train", "32-pad", "data"),
        CacheKey("folder:/a-b", "train", "32-pad", "data"),
    ]
    paths = {key.directory(str(tmp_path), f) for key in keys for f in ("old", "new")}
    assert len(paths) == 2 * len(keys)


def test_the_newest_of_several_is_found_again(tmp_path):
    key = CacheKey("mnist", "train", "32-pad", "data")
    assert key.newest(str(tmp_path)) is None
    for age, fingerprint in enumerate(("b", "c", "a")):
        path = key.directory(str(tmp_path), fingerprint)
        path.mkdir()
        os.utime(path, (100 - age, 100 - age))
    assert key.newest(str(tmp_path)) == key.directory(str(tmp_path), "b")
    assert key._replace(split="test").newest(str(tmp_path)) is None
