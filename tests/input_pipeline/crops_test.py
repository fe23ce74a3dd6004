"""Streamed crops keep the contract of batches and never leave the image."""

import numpy as np
import pytest
from PIL import Image

from input_pipeline.crops import CropBatches, centred_sample, random_crop_box
from input_pipeline.encoded import open_encoded
from input_pipeline.errors import DataError
from input_pipeline.label_partition import partition_by_label


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    random = np.random.default_rng(0)
    for label in ("cat", "dog", "emu"):
        (root / label).mkdir(parents=True)
        for i in range(7):
            pixels = random.integers(0, 256, (40, 30 + i, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i}.jpg")
    return root


def _encoded(folder):
    return open_encoded(f"folder:{folder}", "train", "", "")


def _batches(encoded, entries=slice(None), examples=slice(None), **more):
    partition = partition_by_label(encoded.labels, encoded.label_names)
    return CropBatches(
        encoded,
        partition,
        image_size=16,
        entries=entries,
        examples=examples,
        batch_size=4,
        seed=0,
        flip=True,
        **more,
    )


def test_crops_lie_inside_and_cover_eight_percent_to_all():
    random = np.random.default_rng(0)
    shares = []
    for _ in range(500):
        left, top, right, bottom = random_crop_box(40, 30, random)
        assert 0 <= left < right <= 40 and 0 <= top < bottom <= 30
        shares.append((right - left) * (bottom - top) / 1200)
    assert 0.07 < min(shares) < 0.12 and max(shares) > 0.8


def test_a_very_long_image_gets_its_centred_square():
    box = random_crop_box(1000, 2, np.random.default_rng(0))
    assert box[3] - box[1] <= 2


def test_blocks_and_workers_change_no_batch(folder):
    encoded = _encoded(folder)
    whole = _batches(encoded, workers=1).batch_at(3)
    assert whole["image"].shape == (3, 4, 16, 16, 3)
    part = _batches(encoded, slice(1, 3), slice(1, 4), workers=3).batch_at(3)
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][1:3, 1:4])
    np.testing.assert_array_equal(whole["label"], np.arange(3)[:, None] + [[0] * 4])


def test_a_damaged_image_is_named(folder):
    (folder / "dog" / "2.jpg").write_bytes(b"\xff\xd8 not a jpeg")
    batches = _batches(_encoded(folder))
    with pytest.raises(DataError, match="2.jpg is no readable image"):
        for step in range(3):
            batches.batch_at(step)


def test_a_sample_spreads_over_labels_and_is_cached(folder, tmp_path):
    encoded = _encoded(folder)
    cache = str(tmp_path / "cache")
    first = centred_sample(encoded, "train", 9, 16, cache)
    assert first.images.shape == (9, 16, 16, 3)
    assert np.bincount(first.labels).tolist() == [3, 3, 3]
    again = centred_sample(encoded._replace(decode=None), "train", 9, 16, cache)
    np.testing.assert_array_equal(first.images, again.images)


def test_only_sets_made_for_it_are_streamed():
    with pytest.raises(DataError, match="streamed=True"):
        open_encoded("mnist", "train", "", "")
