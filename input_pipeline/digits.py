"""Handwritten digits that come with scikit-learn: no download."""

import importlib.metadata

import numpy as np

from input_pipeline.image_source import ImageSource, source_of_arrays

_TEST_EVERY = 6  # of every label, each sixth image is held out


def fingerprint() -> str:
    """Changes when the digits may have changed."""
    version = importlib.metadata.version("scikit-learn")
    return f"scikit-learn {version}, test every {_TEST_EVERY}"


def open_digits(split: str) -> ImageSource:
    """Returns 1,797 real digits of 8 x 8 pixels, split by label and order.

    Of each label's images every sixth is in "test", the others are in "train":
    1,501 and 296 images. Grey values 0..16 become 0..255.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    rank = np.empty(len(data.target), np.int64)  # of an image among its label's
    for label in range(10):
        places = np.flatnonzero(data.target == label)
        rank[places] = np.arange(len(places))
    held_out = rank % _TEST_EVERY == _TEST_EVERY - 1
    chosen = held_out if split == "test" else ~held_out
    images = np.round(data.images[chosen, :, :, None] * (255 / 16)).astype(np.uint8)
    names = tuple(str(label) for label in range(10))
    return source_of_arrays(images, data.target[chosen], names, f"digits {split}")
