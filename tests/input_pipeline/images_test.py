"""Batches are a pure function of (seed, step), however they are cut."""

import numpy as np
import pytest

from input_pipeline.arrays import LabelledImages
from input_pipeline.images import LabelBatches
from input_pipeline.label_partition import one_partition, partition_by_label

EVERYTHING = slice(None)


@pytest.fixture
def images():
    """Thirty images of three labels; every pixel tells which image it is."""
    labels = np.arange(30, dtype=np.int32) % 3
    number = np.arange(30, dtype=np.uint8)[:, None, None, None]
    pixels = np.broadcast_to(number, (30, 2, 3, 1)).copy()
    pixels[:, :, 0] += 100  # the left column is marked
    return LabelledImages(pixels, labels, ("a", "b", "c"), "toy", "train", "digest")


def _batches(images, partition=None, entries=EVERYTHING, examples=EVERYTHING, **more):
    if partition is None:
        partition = partition_by_label(images.labels, images.label_names)
    more = {"batch_size": 4, "seed": 0, "flip": False, **more}
    return LabelBatches(images, partition, entries=entries, examples=examples, **more)


def test_a_batch_does_not_depend_on_those_before(images):
    fresh, used = _batches(images), _batches(images)
    for step in range(7):
        used.batch_at(step)
    for name, array in fresh.batch_at(7).items():
        np.testing.assert_array_equal(array, used.batch_at(7)[name])


@pytest.mark.parametrize("flip", [False, True])
def test_blocks_put_together_are_the_whole(images, flip):
    whole = _batches(images, flip=flip).batch_at(5)
    rows = []
    for entries in (slice(0, 1), slice(1, 3)):
        columns = [
            _batches(images, None, entries, examples, flip=flip).batch_at(5)
            for examples in (slice(0, 1), slice(1, 4))
        ]
        rows.append({n: np.concatenate([c[n] for c in columns], 1) for n in whole})
    for name, array in whole.items():
        together = np.concatenate([row[name] for row in rows])
        np.testing.assert_array_equal(together, array)


def test_every_entry_sees_its_own_label_and_each_image_once_an_epoch(images):
    source = _batches(images, batch_size=5)
    seen = [source.batch_at(step) for step in range(4)]  # two epochs of ten images
    for entry in range(3):
        assert all((batch["label"][entry] == entry).all() for batch in seen)
        numbers = [batch["image"][entry, :, 0, 1, 0] for batch in seen]
        for epoch in (numbers[:2], numbers[2:]):
            found = np.sort(np.concatenate(epoch))
            np.testing.assert_array_equal(found, np.flatnonzero(images.labels == entry))
        assert (np.concatenate(numbers[:2]) != np.concatenate(numbers[2:])).any()


def test_another_seed_another_order(images):
    first = _batches(images, seed=0).batch_at(0)["image"]
    assert (first != _batches(images, seed=1).batch_at(0)["image"]).any()


def test_about_half_of_the_images_are_mirrored(images):
    source = _batches(images, batch_size=100, flip=True)
    left = source.batch_at(0)["image"][:, :, 0, 0, 0] >= 100
    assert 0.4 < left.mean() < 0.6
    assert (_batches(images).batch_at(0)["image"][:, :, 0, 0, 0] >= 100).all()


def test_one_entry_of_all_images_keeps_every_image_s_own_label(images):
    partition = one_partition(images.labels, images.label_names)
    batch = _batches(images, partition, batch_size=30).batch_at(0)
    numbers = batch["image"][0, :, 0, 1, 0]
    np.testing.assert_array_equal(batch["label"][0], images.labels[numbers])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(30))


def test_examples_are_positions_in_the_whole_batch(images):
    batch = _batches(images, examples=slice(2, 4)).batch_at(0)
    np.testing.assert_array_equal(batch["example"], np.full((3, 2), [2, 3]))
