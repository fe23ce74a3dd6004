import numpy as np
import pytest

from input_pipeline.arrays import LabelledImages
from input_pipeline.images import LabelBatches
from input_pipeline.label_partition import one_partition, partition_by_label

NUM_LABELS, BATCH = 6, 8
WHOLE = slice(None)


def _images(seed=0, num=100):
    random = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.arange(NUM_LABELS), random.integers(0, NUM_LABELS, num)]
    )
    pixels = random.integers(0, 256, (len(labels), 4, 5, 3)).astype(np.uint8)
    pixels[:, 0, 0, 0] = pixels[:, 0, -1, 0] = np.arange(len(labels))  # its number
    names = tuple(f"name {label}" for label in range(NUM_LABELS))
    return LabelledImages(pixels, labels.astype(np.int32), names, "dots", "train", "")


IMAGES = _images()
PARTITION = partition_by_label(IMAGES.labels, IMAGES.label_names)


def _batches(entries=WHOLE, examples=WHOLE, partition=PARTITION, seed=3, flip=True):
    settings = {"batch_size": BATCH, "seed": seed, "flip": flip}
    return LabelBatches(
        IMAGES, partition, entries=entries, examples=examples, **settings
    )


def test_a_batch_has_the_agreed_shapes_and_types():
    batch = _batches().batch_at(0)
    assert {k: (v.shape, v.dtype.name) for k, v in batch.items()} == {
        "image": ((6, 8, 4, 5, 3), "uint8"),
        "label": ((6, 8), "int32"),
        "example": ((6, 8), "int32"),
    }
    np.testing.assert_array_equal(batch["example"], np.tile(np.arange(8), (6, 1)))


@pytest.mark.parametrize("step", [0, 1, 17, 1000])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 6])
@pytest.mark.parametrize("num_columns", [1, 2, 8])
def test_blocks_put_together_are_the_whole_batch(step, num_rows, num_columns):
    whole = _batches().batch_at(step)
    rows, columns = NUM_LABELS // num_rows, BATCH // num_columns
    for name, expected in whole.items():
        blocks = [
            np.concatenate(
                [
                    _batches(
                        slice(r * rows, (r + 1) * rows),
                        slice(c * columns, (c + 1) * columns),
                    ).batch_at(step)[name]
                    for c in range(num_columns)
                ],
                axis=1,
            )
            for r in range(num_rows)
        ]
        np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_a_batch_depends_on_no_batch_before_it():
    in_order, backwards = _batches(), _batches()
    expected = [in_order.batch_at(step) for step in range(20)]
    for step in reversed(range(20)):
        batch = backwards.batch_at(step)
        for name in batch:
            np.testing.assert_array_equal(batch[name], expected[step][name])


def test_each_entry_shows_its_own_label_and_every_image_once_an_epoch():
    batches = _batches(flip=False)
    for entry, indices in enumerate(PARTITION.indices):
        num = len(indices)
        shown = [batches.batch_at(step) for step in range(num)]  # BATCH epochs
        assert all((batch["label"][entry] == entry).all() for batch in shown)
        numbers = np.concatenate([b["image"][entry, :, 0, 0, 0] for b in shown])
        for epoch in numbers.reshape(BATCH, num):
            np.testing.assert_array_equal(np.sort(epoch), indices)


def test_images_come_unchanged_or_mirrored_about_as_often():
    seen = np.zeros(2, int)
    batches = _batches()
    for step in range(30):
        images = batches.batch_at(step)["image"].reshape(-1, 4, 5, 3)
        for image in images:
            original = IMAGES.images[image[0, 0, 0]]
            if (image == original).all():
                seen[0] += 1
            else:
                np.testing.assert_array_equal(image, original[:, ::-1])
                seen[1] += 1
    assert abs(seen[0] - seen[1]) < 4 * np.sqrt(seen.sum())


def test_without_flipping_no_image_is_mirrored():
    image = _batches(flip=False).batch_at(5)["image"]
    np.testing.assert_array_equal(image, IMAGES.images[image[..., 0, 0, 0]])


def test_in_one_entry_each_image_keeps_its_own_label():
    partition = one_partition(IMAGES.labels, IMAGES.label_names)
    batches = _batches(partition=partition, flip=False)
    for step in range(15):
        batch = batches.batch_at(step)
        assert batch["image"].shape[:2] == (1, BATCH)
        numbers = batch["image"][0, :, 0, 0, 0]
        np.testing.assert_array_equal(batch["label"][0], IMAGES.labels[numbers])
    assert len(np.unique(batch["label"])) > 1


def test_another_seed_is_another_order():
    one, other = _batches(seed=0).batch_at(0), _batches(seed=1).batch_at(0)
    assert (one["image"] != other["image"]).any()


def test_entries_of_one_size_are_shuffled_each_in_its_own_way():
    labels = np.repeat(np.arange(NUM_LABELS), 30).astype(np.int32)
    pixels = np.tile(np.arange(30, dtype=np.uint8), NUM_LABELS).reshape(-1, 1, 1, 1)
    names = IMAGES.label_names
    images = LabelledImages(pixels, labels, names, "ranks", "train", "")
    settings = {"batch_size": 30, "seed": 0, "flip": False}
    block = {"entries": WHOLE, "examples": WHOLE}
    batches = LabelBatches(
        images, partition_by_label(labels, names), **block, **settings
    )
    ranks = batches.batch_at(0)["image"].reshape(NUM_LABELS, 30)
    assert len(np.unique(ranks, axis=0)) == NUM_LABELS


def test_batches_may_be_changed_without_changing_the_data():
    before = IMAGES.images.copy()
    _batches().batch_at(0)["image"][:] = 0
    np.testing.assert_array_equal(IMAGES.images, before)


@pytest.mark.parametrize("block", [{"entries": slice(6, 9)}, {"examples": slice(8, 9)}])
def test_an_empty_block_is_refused(block):
    with pytest.raises(ValueError, match="empty block"):
        _batches(**block)
