import gzip
import struct

import numpy as np
import pytest

from input_pipeline import original_files
from input_pipeline.arrays import load_arrays
from input_pipeline.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
CLASSES = (np.arange(20) % 10).astype(np.uint8)
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def _idx(array, magic=None):
    header = struct.pack(">I", 0x800 + array.ndim if magic is None else magic)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _write_idx(folder, pixels=None, classes=None):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        (IMAGES, _idx(PIXELS) if pixels is None else pixels),
        (LABELS, _idx(CLASSES) if classes is None else classes),
    ):
        (folder / name).write_bytes(gzip.compress(content))


def _load(data_dir, name, image_size, split="train"):
    cache = str(data_dir / "cache")
    places = {"data_dir": str(data_dir), "cache_dir": cache, "download": False}
    return load_arrays(name, split, image_size=image_size, resize="none", **places)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("sub_folder", [True, False])
def test_idx_files_are_read_as_they_were_written(tmp_path, name, sub_folder):
    _write_idx(tmp_path / name if sub_folder else tmp_path)
    found = _load(tmp_path, name, 28)
    np.testing.assert_array_equal(found.images[..., 0], PIXELS)
    np.testing.assert_array_equal(found.labels, CLASSES)
    assert found.label_names[9] == {"mnist": "9", "fashion_mnist": "Ankle boot"}[name]


def test_mnist_is_not_taken_for_fashion_though_its_files_have_the_same_names(
    tmp_path, monkeypatch
):
    _write_idx(tmp_path)
    size = (tmp_path / IMAGES).stat().st_size
    monkeypatch.setitem(original_files._IDX_BYTES, "mnist", (size, 0))
    assert len(_load(tmp_path, "mnist", 28).labels) == 20
    with pytest.raises(DataError, match="does not hold fashion_mnist"):
        _load(tmp_path, "fashion_mnist", 28)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"pixels": _idx(PIXELS)[:-1]}, "promises 15680 bytes"),
        ({"pixels": _idx(PIXELS) + b"\0"}, "promises 15680 bytes"),
        ({"pixels": _idx(PIXELS, magic=0x801)}, "magic number is 0x801"),
        ({"pixels": _idx(PIXELS)[:9]}, "unpack"),
        ({"pixels": struct.pack(">4I", 0x803, 2**31, 2**31, 2**31)}, "promises"),
        ({"pixels": struct.pack(">4I", 0x803, 0, 28, 28)}, "promises 0 bytes"),
        ({"classes": _idx(CLASSES[:-1])}, "do not fit"),
        ({"classes": _idx(CLASSES + 1)}, "do not fit"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, files, why):
    _write_idx(tmp_path / "mnist", **files)
    with pytest.raises(DataError, match=why) as caught:
        _load(tmp_path, "mnist", 28)
    assert "idx" in str(caught.value) and "fetch that file again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("harm", ["truncated", "no gzip"])
def test_a_file_that_is_no_whole_gzip_is_named(tmp_path, harm):
    _write_idx(tmp_path / "mnist")
    path = tmp_path / "mnist" / IMAGES
    content = path.read_bytes()[:1000] if harm == "truncated" else b"plain text"
    path.write_bytes(content)
    with pytest.raises(DataError, match="train-images.*is damaged"):
        _load(tmp_path, "mnist", 28)


def test_whichever_byte_of_a_gzip_file_fell_over_the_file_is_named(tmp_path):
    _write_idx(tmp_path / "mnist", pixels=_idx(PIXELS // 32))  # compresses well
    path = tmp_path / "mnist" / IMAGES
    original = path.read_bytes()
    for place in range(10, 70):  # behind the header, which has bytes of no meaning
        content = bytearray(original)
        content[place] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match="train-images.*is damaged"):
            _load(tmp_path, "mnist", 28)


def _cifar_records(num, label_bytes, num_labels, seed):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (num, 32, 32, 3)).astype(np.uint8)
    labels = random.integers(0, num_labels, (num, label_bytes)).astype(np.uint8)
    planes = images.transpose(0, 3, 1, 2).reshape(num, -1)
    return images, labels[:, -1], np.concatenate([labels, planes], axis=1).tobytes()


@pytest.mark.parametrize("below", ["cifar-10-batches-bin", "cifar10", "."])
def test_cifar10s_five_files_follow_each_other(tmp_path, below):
    folder = tmp_path / below
    folder.mkdir(exist_ok=True)
    parts = [_cifar_records(3, 1, 10, seed) for seed in range(5)]
    for number, (_, _, content) in enumerate(parts, 1):
        (folder / f"data_batch_{number}.bin").write_bytes(content)
    found = _load(tmp_path, "cifar10", 32)
    np.testing.assert_array_equal(found.images, np.concatenate([p[0] for p in parts]))
    np.testing.assert_array_equal(found.labels, np.concatenate([p[1] for p in parts]))
    assert found.label_names == tuple("0123456789")


def test_cifar100s_fine_label_is_the_second(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    images, labels, content = _cifar_records(7, 2, 20, 0)
    (folder / "test.bin").write_bytes(content)
    names = [f"name{label}" for label in range(100)]
    (folder / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    found = _load(tmp_path, "cifar100", 32, "test")
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.label_names == tuple(names)


def test_damaged_cifar_files_are_named(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    content = bytearray(_cifar_records(2, 2, 20, 0)[2])
    path = folder / "test.bin"
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match="test.bin.*no whole records"):
        _load(tmp_path, "cifar100", 32, "test")
    content[1] = 100
    path.write_bytes(content)
    with pytest.raises(DataError, match="test.bin.*no label 100"):
        _load(tmp_path, "cifar100", 32, "test")
    content[1] = 99
    path.write_bytes(content)
    (folder / "fine_label_names.txt").write_text("too few")
    with pytest.raises(DataError, match="fine_label_names.txt.*2 names, not 100"):
        _load(tmp_path, "cifar100", 32, "test")
