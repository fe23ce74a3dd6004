import numpy as np
import pytest
from sklearn.datasets import load_digits

from input_pipeline import digits
from input_pipeline.arrays import load_arrays
from input_pipeline.errors import DataError
from tests.input_pipeline.tiny_tfds import encoded, write_tfds


def _load(tmp_path, name="digits", split="train", **settings):
    settings = {"image_size": 8, "resize": "none", "download": False} | settings
    places = {"data_dir": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache")}
    return load_arrays(name, split, **places, **settings)


def test_digits_are_scikit_learns_each_once(tmp_path):
    train, test = _load(tmp_path), _load(tmp_path, split="test")
    assert (train.image_shape, train.num_labels) == ((8, 8, 1), 10)
    assert (len(train.labels), len(test.labels)) == (1501, 296)
    assert train.labels.dtype == np.int32 and train.images.dtype == np.uint8

    def listed(images, labels):
        rows = np.column_stack([images.reshape(len(images), -1), labels])
        return rows[np.lexsort(rows.T)]

    found = load_digits()
    both = np.concatenate([train.images, test.images])
    labels = np.concatenate([train.labels, test.labels])
    np.testing.assert_array_equal(
        listed(np.round(both[..., 0] / 255 * 16).astype(int), labels),
        listed(found.images.astype(int), found.target),
    )


def test_a_sixth_of_every_digit_is_held_out(tmp_path):
    test = np.bincount(_load(tmp_path, split="test").labels)
    np.testing.assert_array_equal(test, np.bincount(load_digits().target) // 6)


def test_a_set_is_decoded_once(tmp_path, monkeypatch):
    first = _load(tmp_path)
    monkeypatch.setattr(digits, "open_digits", None)
    second = _load(tmp_path)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.digest == second.digest and first.label_names == second.label_names
    with pytest.raises(TypeError):
        _load(tmp_path, split="test")


def _prepare(tmp_path, value, version="1.0.0"):
    images = [encoded(np.full((28, 28, 1), value, np.uint8))] * 2
    splits = {"train": (images, [0, 9])}
    write_tfds(tmp_path / "data", "mnist", splits, (28, 28, 1), 10, version)


def test_a_set_that_changed_is_decoded_anew(tmp_path):
    shape = {"image_size": 28}
    _prepare(tmp_path, 1)
    assert (_load(tmp_path, "mnist", **shape).images == 1).all()
    _prepare(tmp_path, 2, "1.0.1")
    assert (_load(tmp_path, "mnist", **shape).images == 2).all()


def test_what_was_decoded_outlives_its_source(tmp_path):
    _prepare(tmp_path, 1)
    before = _load(tmp_path, "mnist", image_size=32, resize="pad")
    (tmp_path / "data" / "mnist").rename(tmp_path / "gone")
    after = _load(tmp_path, "mnist", image_size=32, resize="pad")
    np.testing.assert_array_equal(before.images, after.images)
    with pytest.raises(DataError, match="does not hold mnist"):
        _load(tmp_path, "mnist", image_size=32, resize="bilinear")


def test_a_damaged_record_leaves_no_cache(tmp_path):
    good, bad = encoded(np.zeros((28, 28, 1), np.uint8)), b"no image"
    images = [good] * 200 + [bad] + [good] * 200
    splits = {"train": (images, [0] * 401)}
    write_tfds(tmp_path / "data", "mnist", splits, (28, 28, 1), 10)
    with pytest.raises(DataError, match="record 200 of mnist train in"):
        _load(tmp_path, "mnist", image_size=28)
    left = (tmp_path / "cache").iterdir()
    assert [path for path in left if path.suffix != ".lock"] == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("minst", "did you mean 'mnist'"),
        ("fashion-mnist", "did you mean 'fashion_mnist'"),
        ("CIFAR10", "choose one of digits, mnist"),
        ("folder:", "folder:PATH"),
        ("flder:pictures", "folder:PATH"),
        ("", "choose one of"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path, name, hint):
    with pytest.raises(DataError, match="config.dataset.name=") as caught:
        _load(tmp_path, name)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_split_or_way_to_resize_is_refused(tmp_path):
    with pytest.raises(DataError, match="split='validation'"):
        _load(tmp_path, split="validation")
    with pytest.raises(DataError, match="config.dataset.resize='crop'"):
        _load(tmp_path, resize="crop")


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("mnist", ["mnist/VERSION/*.array_record", "mnist/train-images-idx3-ubyte.gz"]),
        ("cifar10", ["cifar10/VERSION/*.array_record", "cifar-10-batches-bin/*.bin"]),
        ("imagenet", ["imagenet2012/VERSION/*.array_record"]),
    ],
)
@pytest.mark.parametrize("download", [False, True])
def test_a_missing_set_says_what_to_place_where(
    tmp_path, monkeypatch, name, places, download
):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "tensorflow" else found(n)
    )
    with pytest.raises(DataError, match="config.dataset.data_dir=") as caught:
        _load(tmp_path, name, download=download)
    message = str(caught.value)
    assert str(tmp_path / "data") in message and "\n" not in message
    assert all(place in message for place in places)
    assert ("tensorflow-cpu" in message) == download
