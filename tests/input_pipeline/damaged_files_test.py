"""Two hundred damaged forms of every kind of file that data comes in."""

import gzip
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from input_pipeline import array_cache, folder, original_files
from input_pipeline.cache_key import CacheKey
from input_pipeline.errors import DataError
from input_pipeline.picture import coloured, pixels
from input_pipeline.stored import StoredExamples, shard_path
from tests.input_pipeline.stored_test import _halves, _write
from tests.mutations import harmless, read_all_damaged


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _read(location):
    source = location.open()
    for number in range(source.num):
        source.use(number, lambda picture: pixels(coloured(picture, 1)))


def _idx(shape, content, packed=True):
    header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
    return gzip.compress(header + content, 1) if packed else header + content


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_idx_files(kind, tmp_path, rng):
    where = tmp_path / "mnist"
    where.mkdir()
    images = _idx((6, 8, 8), rng.bytes(6 * 64), packed=False)
    labels = _idx((6,), bytes(range(6)), packed=False)
    places = {
        "images": where / "train-images-idx3-ubyte.gz",
        "labels": where / "train-labels-idx1-ubyte.gz",
    }
    whole = {"images": images, "labels": labels}
    for name, place in places.items():
        place.write_bytes(gzip.compress(whole[name]))

    def read():
        _read(original_files.locate("mnist", "train", tmp_path))

    def read_packed():
        # Damaged inside, and packed well: the checksum of gzip is right.
        content = places[kind].read_bytes()
        places[kind].write_bytes(gzip.compress(content, 1))
        try:
            read()
        finally:
            places[kind].write_bytes(content)

    found = read_all_damaged(
        places[kind], gzip.compress(whole[kind]), read, errors=DataError, num=100
    )
    assert found > 50
    read_all_damaged(
        places[kind], whole[kind], read_packed, errors=DataError, num=100, seed=1
    )


def test_a_header_that_asks_for_everything_is_refused_before_it_gets_it(tmp_path):
    where = tmp_path / "mnist"
    where.mkdir()
    (where / "train-labels-idx1-ubyte.gz").write_bytes(_idx((6,), bytes(6)))
    for shape in [(2**32 - 1,) * 3, (2**20, 2**10, 2**10), (0, 8, 8)]:
        place = where / "train-images-idx3-ubyte.gz"
        place.write_bytes(_idx(shape, bytes(100)))
        with (
            harmless(tmp_path, most_mib=4),
            pytest.raises(DataError, match="its header promises"),
        ):
            original_files.locate("mnist", "train", tmp_path).open()


def test_cifar_files_and_their_names(tmp_path, rng):
    where = tmp_path / "cifar-10-batches-bin"
    where.mkdir()
    record = b"".join(bytes([i]) + rng.bytes(3072) for i in range(2))
    for number in range(1, 6):
        (where / f"data_batch_{number}.bin").write_bytes(record)
    names = "\n".join("abcdefghij").encode()
    (where / "batches.meta.txt").write_bytes(names)

    def read():
        _read(original_files.locate("cifar10", "train", tmp_path))

    place = where / "data_batch_3.bin"
    assert read_all_damaged(place, record, read, errors=DataError, num=100) > 20
    place = where / "batches.meta.txt"
    assert read_all_damaged(place, names, read, errors=DataError, num=100) > 20


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_images_of_a_folder(suffix, tmp_path, rng):
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(rng.integers(0, 256, (9, 7), np.uint8))
            picture.save(tmp_path / "set" / label / f"{number}.{suffix}")
    place = tmp_path / "set" / "a" / f"0.{suffix}"

    def read():
        location = folder.locate(tmp_path / "set", "train")
        location.open().count_channels()
        _read(location)

    # A decompression bomb is an error of its own, or a warning: here both are errors.
    refused = read_all_damaged(place, place.read_bytes(), read, errors=DataError)
    assert refused > 50


def test_a_picture_that_would_start_a_program_is_no_picture(tmp_path):
    (tmp_path / "a").mkdir()
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "EPS")
    (tmp_path / "a" / "0.png").write_bytes(buffer.getvalue())
    with harmless(tmp_path, most_mib=64), pytest.raises(DataError, match=r"0\.png"):
        _read(folder.locate(tmp_path, "train"))


def _cached(tmp_path):
    def fill(where):
        rows = np.arange(24, dtype=np.int32).reshape(6, 4)
        array_cache.write_array(where / "rows.npy", rows.shape, np.int32, [rows])
        return {"channels": 1}

    where = tmp_path / "cached"
    array_cache.write(where, fill)
    return where


def test_the_manifest_of_a_cached_set(tmp_path):
    where = _cached(tmp_path)
    path = where / "manifest.json"

    def read():
        array_cache.read(where, ("rows",))

    assert read_all_damaged(path, path.read_bytes(), read, errors=DataError) > 100


def test_the_arrays_of_a_cached_set_with_a_manifest_that_fits(tmp_path):
    """As from somebody who means harm: all checksums are right."""
    where = _cached(tmp_path)
    path = where / "rows.npy"

    def read():
        content = path.read_bytes()
        manifest = json.loads((where / "manifest.json").read_text())
        record = manifest["files"]["rows"]
        digest = array_cache.checksum(path)
        record |= {"bytes": len(content), "sha256": digest}
        record["sha256_of_blocks"] = [digest] if content else []
        (where / "manifest.json").write_text(json.dumps(manifest))
        found = array_cache.read(where, ("rows",))
        assert found.arrays["rows"].nbytes <= len(content)
        found.arrays["rows"].sum()

    assert read_all_damaged(path, path.read_bytes(), read, errors=DataError) > 30


def test_no_name_of_a_data_set_leads_out_of_the_cache(tmp_path):
    for name in ("../../outside", "folder:../../x", "/etc/passwd", "a/../../b", "..\0"):
        for split in ("train",):
            found = CacheKey(name, split, "32-pad", "data").directory(
                str(tmp_path), "f"
            )
            assert found.parent == tmp_path


def test_shards_of_stored_examples_and_their_descriptions(tmp_path):
    pytest.importorskip("array_record")
    _write(tmp_path)
    shard = shard_path(tmp_path, "train", 1)

    def read():
        stored = StoredExamples(str(tmp_path), "train")
        stored.read(_halves(*range(stored.num_examples)))

    for path in (shard, shard.with_suffix(".json")):
        refused = read_all_damaged(path, path.read_bytes(), read, errors=DataError)
        assert refused > 100
