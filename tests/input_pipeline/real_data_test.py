"""Needs the prepared sets beside the project; skipped where they are not."""

import numpy as np
import pytest

from input_pipeline.arrays import load_arrays
from input_pipeline.encoded import open_encoded


@pytest.fixture
def data_dir(shared_data):
    path = shared_data / "tfds"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return str(path)


def _load(name, data_dir, **settings):
    return load_arrays(
        name, "test", data_dir=data_dir, cache_dir="", download=False, **settings
    )


def test_mnists_test_split_has_the_published_counts(data_dir):
    images = _load("mnist", data_dir, image_size=32, resize="pad")
    counts = np.bincount(images.labels)
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(counts, published)
    assert images.image_shape == (32, 32, 1)
    assert not images.images[:, :2].any() and images.images[:, 2:30].any()


def test_cifar100s_test_split_has_a_hundred_of_each(data_dir):
    images = _load("cifar100", data_dir, image_size=32, resize="none")
    np.testing.assert_array_equal(np.bincount(images.labels), [100] * 100)
    assert images.label_names[:2] == ("apple", "aquarium_fish")
    assert images.image_shape == (32, 32, 3)
    encoded = open_encoded("cifar100", "test", data_dir, "")
    np.testing.assert_array_equal(encoded.labels, images.labels)
    picture, label = encoded.source.use(1234, lambda p: np.asarray(p))
    np.testing.assert_array_equal(picture, images.images[1234])
    assert label == images.labels[1234]
