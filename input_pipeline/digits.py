"""Handwritten digits that come with scikit-learn: no download."""

import numpy as np

from input_pipeline.decoded import DecodedSet

_TEST_EVERY = 6  # of every label, each sixth image is held out


def read(split: str) -> DecodedSet:
    """Returns 1,797 real digits of 8 x 8 pixels, split by label and order.

    Of each label's images every sixth is in "test", the others are in "train".
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
    labels = data.target[chosen].astype(np.int32)
    return DecodedSet(images, labels, tuple(str(label) for label in range(10)))
