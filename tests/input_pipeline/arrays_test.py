"""Data sets load alike from every source, and what is wrong with them is said."""

import gzip
import json
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from input_pipeline import array_cache
from input_pipeline.arrays import load_arrays
from input_pipeline.errors import DataError
from input_pipeline.resize import resized


def _load(name, split="train", **more):
    fields = {
        "image_size": 8,
        "resize": "none",
        "data_dir": "nowhere",
        "cache_dir": "",
        **more,
    }
    return load_arrays(name, split, **fields)


def test_digits_split_into_all_images_with_every_label_in_both():
    train, test = _load("digits"), _load("digits", "test")
    assert len(train.labels) + len(test.labels) == 1797
    for part in (train, test):
        assert set(part.labels.tolist()) == set(range(10))
        assert part.images.dtype == np.uint8 and part.images.max() == 255


def test_the_second_load_reads_the_cache(monkeypatch):
    first = _load("digits", image_size=16, resize="nearest")
    monkeypatch.setattr("input_pipeline.digits.read", None)
    second = _load("digits", image_size=16, resize="nearest")
    np.testing.assert_array_equal(first.images, second.images)
    assert first.digest == second.digest


def _cache_folder(tmp_path):
    _load("digits", cache_dir=str(tmp_path))
    return next(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["images.npy", "labels.npy"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_cache_is_named_with_the_remedy(tmp_path, file, damage):
    folder = _cache_folder(tmp_path)
    path = folder / file
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        content[-9] ^= 1
        path.write_bytes(content if damage == "flip" else content[:-1])
    with pytest.raises(DataError) as caught:
        _load("digits", cache_dir=str(tmp_path))
    assert str(folder) in str(caught.value) and "remove that" in str(caught.value)


def test_a_cache_of_another_version_is_not_read(tmp_path):
    manifest = _cache_folder(tmp_path) / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format_version": 99}))
    with pytest.raises(DataError, match="version 99"):
        _load("digits", cache_dir=str(tmp_path))


def test_a_cache_that_could_not_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="no space"):
        array_cache.write(tmp_path / "set", np.zeros((2, 2, 2, 1)), np.zeros(2), ("a",))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("mnits", "'mnist'"), ("cifar", "'cifar10'"), ("zzz", "digits")]
)
def test_an_unknown_name_gets_a_suggestion(name, hint):
    with pytest.raises(DataError, match=f"config.dataset.name='{name}'.*{hint}"):
        _load(name)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_missing_data_says_what_to_place_where(name, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError) as caught:
        _load(name, data_dir=str(tmp_path))
    message = str(caught.value)
    assert "config.dataset.data_dir" in message and str(tmp_path / name) in message
    assert "\n" not in message


def _write_idx(path, array):
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def _write_mnist(folder, images, labels):
    folder.mkdir(exist_ok=True)
    _write_idx(folder / "train-images-idx3-ubyte.gz", images)
    _write_idx(folder / "train-labels-idx1-ubyte.gz", labels)


def test_original_idx_files_are_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    labels = np.array([3, 1, 4, 1, 5, 9], np.uint8)
    _write_mnist(tmp_path / "mnist", images, labels)
    found = _load("mnist", data_dir=str(tmp_path))
    np.testing.assert_array_equal(found.images[..., 0], images)
    np.testing.assert_array_equal(found.labels, labels)


def test_an_idx_header_with_an_absurd_size_is_refused(tmp_path):
    _write_mnist(tmp_path / "mnist", np.zeros((1, 8, 8), np.uint8), np.zeros(1, "u1"))
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 2**31, 2**31, 2**31)))
    with pytest.raises(DataError, match="promises"):
        _load("mnist", data_dir=str(tmp_path))


@pytest.mark.parametrize("kept", [10, 200])
def test_a_cut_idx_file_is_named(tmp_path, kept):
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    _write_mnist(tmp_path / "mnist", noise, np.zeros(6, "u1"))
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz.*damaged"):
        _load("mnist", data_dir=str(tmp_path))


def test_cifar_binaries_are_read_in_their_order(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 32, 32, 3), np.uint8)
    labels = np.arange(10, dtype=np.uint8)
    records = np.concatenate(
        [labels[:, None], images.transpose(0, 3, 1, 2).reshape(10, -1)], axis=1
    )
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(5):
        records[2 * i : 2 * i + 2].tofile(folder / f"data_batch_{i + 1}.bin")
    (folder / "batches.meta.txt").write_text("\n".join("abcdefghij"))
    found = _load("cifar10", image_size=32, data_dir=str(tmp_path))
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, labels)
    (folder / "data_batch_3.bin").write_bytes(b"too short")
    with pytest.raises(DataError, match="data_batch_3.bin.*damaged"):
        _load("cifar10", image_size=32, data_dir=str(tmp_path), cache_dir=str(tmp_path))


@pytest.fixture
def picture_folder(tmp_path):
    root = tmp_path / "pictures"
    for number, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for i in range(12):
            pixels = np.full((10, 14, 3), 20 * number + i, np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i:02d}.png")
    return root


def test_a_folder_of_pictures_is_a_data_set(picture_folder):
    name = f"folder:{picture_folder}"
    train = _load(name, image_size=10)
    test = _load(name, "test", image_size=10)
    assert train.label_names == ("cat", "dog")
    assert train.images.shape == (20, 10, 10, 3) and len(test.labels) == 4
    np.testing.assert_array_equal(test.images[:, 0, 0, 0], [5, 11, 25, 31])


def test_a_folder_with_splits_of_its_own_keeps_them(picture_folder, tmp_path):
    root = tmp_path / "split"
    root.mkdir()
    picture_folder.rename(root / "train")
    (root / "test" / "cat").mkdir(parents=True)
    (root / "test" / "dog").mkdir(parents=True)
    for label in ("cat", "dog"):
        (root / "train" / label / "00.png").rename(root / "test" / label / "x.png")
    assert len(_load(f"folder:{root}", image_size=10).labels) == 22
    assert len(_load(f"folder:{root}", "test", image_size=10).labels) == 2


def test_what_is_wrong_with_a_folder_is_said(picture_folder, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        _load(f"folder:{tmp_path / 'absent'}")
    with pytest.raises(DataError, match="no sub-folders"):
        _load(f"folder:{picture_folder / 'cat'}")
    (picture_folder / "emu").mkdir()
    with pytest.raises(DataError, match="emu has no images"):
        _load(f"folder:{picture_folder}")
    (picture_folder / "emu" / "00.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="00.png is no readable image"):
        _load(f"folder:{picture_folder}", image_size=10)


def test_padding_centres_and_refuses_to_cut():
    images = np.full((1, 28, 28, 1), 9, np.uint8)
    padded = resized(images, 32, "pad")
    assert padded.shape == (1, 32, 32, 1)
    assert padded[0, 2:30, 2:30].min() == 9 and padded.sum() == images.sum()
    with pytest.raises(DataError, match="image_size=16"):
        resized(images, 16, "pad")
    with pytest.raises(DataError, match="resize='none'"):
        resized(images, 32, "none")


def test_real_mnist_is_read_without_tensorflow(shared_data):
    if not (shared_data / "tfds" / "mnist").is_dir():
        pytest.skip("MNIST is not there")
    found = _load(
        "mnist",
        "test",
        image_size=32,
        resize="pad",
        data_dir=str(shared_data / "tfds"),
    )
    assert found.images.shape == (10_000, 32, 32, 1)
    np.testing.assert_array_equal(
        np.bincount(found.labels),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    )
    assert "tensorflow" not in sys.modules
