import numpy as np
import pytest
from PIL import Image

from input_pipeline import decode
from input_pipeline.crop_box import draw_uniforms
from input_pipeline.crops import CropBatches, centred_sample, cropped
from input_pipeline.encoded import open_encoded
from input_pipeline.errors import DataError
from input_pipeline.label_partition import one_partition, partition_by_label
from tests.input_pipeline.tiny_tfds import encoded as encode
from tests.input_pipeline.tiny_tfds import write_tfds

WHOLE = slice(None)
BATCH, SIZE = 4, 16


def _photograph(seed, width=120, height=90):
    """A smooth coloured picture, so that JPEG and resizing change little."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("photographs")
    for label, name in enumerate(("cat", "dog", "emu")):
        (path / name).mkdir()
        for number in range(7):
            picture = _photograph(10 * label + number, 100 + 9 * number, 90 + number)
            picture.save(path / name / f"{number}.jpg", quality=95)
    return path


def _open(root, tmp_path, split="train"):
    return open_encoded(f"folder:{root}", split, "", str(tmp_path / "cache"))


def _batches(encoded, entries=WHOLE, examples=WHOLE, divide=partition_by_label, **more):
    partition = divide(encoded.labels, encoded.label_names)
    settings = {"image_size": SIZE, "batch_size": BATCH, "seed": 5, "flip": True}
    block = {"entries": entries, "examples": examples}
    return CropBatches(encoded, partition, **block, **(settings | more))


def test_a_batch_has_the_agreed_shapes_and_types(root, tmp_path):
    batches = _batches(_open(root, tmp_path))
    batch = batches.batch_at(0)
    batches.close()
    assert {k: (v.shape, v.dtype.name) for k, v in batch.items()} == {
        "image": ((3, 4, 16, 16, 3), "uint8"),
        "label": ((3, 4), "int32"),
        "example": ((3, 4), "int32"),
    }
    np.testing.assert_array_equal(
        batch["label"], np.arange(3)[:, None] + 0 * batch["label"]
    )


@pytest.mark.parametrize("step", [0, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_put_together_are_the_whole_batch(root, tmp_path, step, threads):
    encoded = _open(root, tmp_path)
    whole = _batches(encoded).batch_at(step)
    for name, expected in whole.items():
        rows = []
        for row in range(3):
            cut = (slice(0, 1), slice(1, 4))
            blocks = [
                _batches(encoded, slice(row, row + 1), columns, threads=threads)
                for columns in cut
            ]
            rows.append(
                np.concatenate([b.batch_at(step)[name] for b in blocks], axis=1)
            )
            for block in blocks:
                block.close()
        np.testing.assert_array_equal(np.concatenate(rows), expected)


def test_a_batch_depends_on_no_batch_before_it(root, tmp_path):
    encoded = _open(root, tmp_path)
    in_order, backwards = _batches(encoded), _batches(encoded)
    expected = [in_order.batch_at(step) for step in range(5)]
    for step in reversed(range(5)):
        found = backwards.batch_at(step)
        for name in found:
            np.testing.assert_array_equal(found[name], expected[step][name])


def test_an_image_is_cropped_another_way_each_time_it_comes(root, tmp_path):
    encoded = _open(root, tmp_path)
    batches = _batches(encoded, slice(0, 1), flip=False)
    images = [batches.batch_at(step)["image"] for step in range(12)]  # 8 epochs of 6
    flat = np.concatenate(images).reshape(48, -1)
    assert len(np.unique(flat, axis=0)) == 48


def test_every_image_of_an_entry_is_shown_once_an_epoch(root, tmp_path):
    encoded = _open(root, tmp_path)
    whole = {"area": (1.0, 1.0), "flip": False}
    batches = _batches(encoded, slice(1, 2), **whole)
    shown = np.concatenate([batches.batch_at(s)["image"][0] for s in range(3)])
    for epoch in (shown[:6], shown[6:]):
        assert len(np.unique(epoch.reshape(6, -1), axis=0)) == 6


def test_in_one_entry_each_image_keeps_its_own_label(root, tmp_path):
    encoded = _open(root, tmp_path)
    batches = _batches(encoded, divide=one_partition, batch_size=18)
    batch = batches.batch_at(0)
    assert sorted(batch["label"][0].tolist()) == [0] * 6 + [1] * 6 + [2] * 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("held", [1, 6])
def test_a_crop_is_what_cutting_and_resizing_the_whole_picture_gives(
    tmp_path, kind, held
):
    from input_pipeline.crop_box import crop_box
    from input_pipeline.picture import upright

    original = _photograph(0, 640, 480)  # large: JPEG is decoded at a part of its size
    exif = Image.Exif()
    exif[0x0112] = held
    path = tmp_path / "picture"
    original.save(path, kind, exif=exif, **({"quality": 98} if kind == "JPEG" else {}))
    for seed in range(8):
        uniforms = draw_uniforms(seed)
        with Image.open(path) as picture:
            settings = ((0.3, 1.0), (3 / 4, 4 / 3))
            found = cropped(picture, (32, 32, 3), uniforms, *settings)
        left, top, right, bottom = map(round, crop_box(640, 480, uniforms, *settings))
        piece = original.crop((left, top, right, bottom))
        expected = upright(piece.resize((32, 32), Image.Resampling.BOX), held)
        difference = np.abs(found.astype(float) - np.asarray(expected))
        assert difference.mean() < 3 and difference.max() < 30


def test_large_photographs_are_not_decoded_at_full_size(tmp_path):
    path = tmp_path / "picture.jpg"
    _photograph(0, 640, 480).save(path)
    with Image.open(path) as picture:
        cropped(picture, (32, 32, 3), draw_uniforms(0), (0.9, 1.0), (3 / 4, 4 / 3))
        assert picture.width <= 160


def test_a_damaged_photograph_is_named(root, tmp_path):
    import shutil

    shutil.copytree(root, tmp_path / "set")
    path = tmp_path / "set" / "dog" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    batches = _batches(_open(tmp_path / "set", tmp_path), batch_size=6)
    with pytest.raises(DataError, match="dog/2.jpg is damaged") as caught:
        batches.batch_at(0)
    assert "\n" not in str(caught.value)
    batches.close()


def test_ranges_that_make_no_sense_are_refused(root, tmp_path):
    encoded = _open(root, tmp_path)
    with pytest.raises(ValueError, match="area"):
        _batches(encoded, area=(0.5, 0.1))
    with pytest.raises(ValueError, match="aspect"):
        _batches(encoded, aspect=(2.0, 3.0))


def _imagenet(data_dir, num=30):
    pictures = [_photograph(seed, 80 + seed, 70) for seed in range(num)]
    records = [encode(np.asarray(picture), "JPEG") for picture in pictures]
    labels = [number * 10 // num for number in range(num)]
    splits = {"train": (records, labels), "validation": (records[:10], labels[:10])}
    write_tfds(data_dir, "imagenet2012", splits, (None, None, 3), 10)
    return pictures, labels


def test_imagenet_is_read_as_tfds_prepares_it_and_its_labels_only_once(
    tmp_path, monkeypatch
):
    _, labels = _imagenet(tmp_path / "data")
    places = (str(tmp_path / "data"), str(tmp_path / "cache"))
    encoded = open_encoded("imagenet", "train", *places)
    np.testing.assert_array_equal(encoded.labels, labels)
    assert encoded.labels.dtype == np.int32 and encoded.channels == 3
    assert len(open_encoded("imagenet", "test", *places).labels) == 10
    batch = _batches(encoded, batch_size=3).batch_at(0)
    assert batch["image"].shape == (10, 3, 16, 16, 3)
    np.testing.assert_array_equal(batch["label"], np.tile(np.arange(10)[:, None], 3))
    monkeypatch.setattr(decode, "blocks_of", None)
    again = open_encoded("imagenet", "train", *places)
    np.testing.assert_array_equal(again.labels, labels)
    assert again.digest == encoded.digest


def test_a_sample_has_every_label_in_proportion_cut_to_its_centre(tmp_path):
    pictures, labels = _imagenet(tmp_path / "data")
    cache = str(tmp_path / "cache")
    encoded = open_encoded("imagenet", "train", str(tmp_path / "data"), cache)
    sample = centred_sample(encoded, "train", 20, 16, cache)
    np.testing.assert_array_equal(np.bincount(sample.labels), [2] * 10)
    assert sample.images.shape == (20, 16, 16, 3) and sample.num_labels == 10
    expected = []
    for picture in pictures:
        left = (picture.width - 70) // 2
        square = picture.crop((left, 0, left + 70, 70))
        expected.append(np.asarray(square.resize((16, 16), Image.Resampling.BOX)))
    for image, label in zip(sample.images.astype(float), sample.labels, strict=True):
        differences = [np.abs(image - other).mean() for other in expected]
        assert min(differences) < 4
        assert labels[int(np.argmin(differences))] == label
    everything = centred_sample(encoded, "train", 1000, 16, cache)
    assert sorted(everything.labels.tolist()) == sorted(labels)


def test_grey_folders_stay_grey(tmp_path):
    for number in range(3):
        path = tmp_path / "set" / "only" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _photograph(number).convert("L").save(path)
    batch = _batches(_open(tmp_path / "set", tmp_path)).batch_at(0)
    assert batch["image"].shape == (1, 4, 16, 16, 1)
