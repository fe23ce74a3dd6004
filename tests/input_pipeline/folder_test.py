import numpy as np
import pytest
from PIL import Image

from input_pipeline.arrays import load_arrays
from input_pipeline.errors import DataError
from input_pipeline.folder import list_files


def _save(path, value, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).convert(mode).save(path)


def _make(root, labels=("cat", "dog"), num=7, mode="RGB"):
    for first, label in enumerate(labels):
        for number in range(num):
            _save(root / label / f"{number}.png", 10 * first + number, mode=mode)


def _load(tmp_path, split="train", root=None, **settings):
    settings = {"image_size": 8, "resize": "bilinear"} | settings
    where = {"data_dir": "", "cache_dir": str(tmp_path / "cache")}
    return load_arrays(f"folder:{root or tmp_path / 'set'}", split, **where, **settings)


def test_sub_folders_are_labels_by_name_and_every_sixth_image_is_held_out(tmp_path):
    _make(tmp_path / "set", labels=("dog", "cat"))
    train, test = _load(tmp_path), _load(tmp_path, "test")
    assert train.label_names == test.label_names == ("cat", "dog")
    values = train.images[:, 0, 0, 0].tolist()
    assert values == [10, 11, 12, 13, 14, 16, 0, 1, 2, 3, 4, 6]
    assert train.labels.tolist() == [0] * 6 + [1] * 6
    assert test.images[:, 0, 0, 0].tolist() == [15, 5]


@pytest.mark.parametrize(("num", "held_out"), [(2, [1]), (5, [4]), (13, [5, 11])])
def test_where_a_label_has_fewer_than_six_the_last_is_held_out(tmp_path, num, held_out):
    _make(tmp_path / "set", num=num)
    paths, labels, _ = list_files(tmp_path / "set", "test")
    by_name = sorted(str(number) for number in range(num))
    expected = [by_name[place] for place in held_out]
    assert [path.stem for path in paths] == expected * 2
    assert labels.tolist() == [0] * len(held_out) + [1] * len(held_out)


def test_the_only_image_of_a_label_is_not_held_out(tmp_path):
    _make(tmp_path / "set", num=1)
    assert len(_load(tmp_path).labels) == 2
    with pytest.raises(DataError, match="no images for 'test'"):
        _load(tmp_path, "test")


def test_folders_named_train_and_test_are_the_splits(tmp_path):
    _make(tmp_path / "set" / "train", num=7)
    _make(tmp_path / "set" / "test", num=2)
    assert len(_load(tmp_path).labels) == 14
    assert len(_load(tmp_path, "test").labels) == 4


def test_train_and_test_must_have_the_same_labels(tmp_path):
    _make(tmp_path / "set" / "train", labels=("cat", "dog"))
    _make(tmp_path / "set" / "test", labels=("cat", "cow"))
    with pytest.raises(DataError, match="differ in cow, dog"):
        _load(tmp_path, "test")


def test_images_of_any_size_are_cut_and_resized(tmp_path):
    _make(tmp_path / "set")
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200  # the centred square
    Image.fromarray(wide).save(tmp_path / "set" / "cat" / "0.png")
    images = _load(tmp_path, image_size=4).images
    assert images.shape == (12, 4, 4, 3)
    assert (images[0] == 200).all()


def test_every_kind_of_file_is_read_and_others_are_left_alone(tmp_path):
    for number, ending in enumerate(("png", "jpg", "JPEG", "bmp", "webp")):
        _save(tmp_path / "set" / "all" / f"{number}.{ending}", 50)
    (tmp_path / "set" / "all" / "notes.txt").write_text("no image")
    (tmp_path / "set" / ".hidden").mkdir()
    found = [_load(tmp_path, split) for split in ("train", "test")]
    assert sum(len(images.labels) for images in found) == 5
    for images in found:
        np.testing.assert_allclose(images.images, 50, atol=2)


def test_a_set_is_grey_unless_one_image_of_either_split_is_in_colour(tmp_path):
    _make(tmp_path / "set", mode="L")
    assert _load(tmp_path).image_shape == (8, 8, 1)
    _save(tmp_path / "set" / "dog" / "5.png", 3, mode="RGB")  # held out
    assert _load(tmp_path).image_shape == (8, 8, 3)
    assert _load(tmp_path, "test").image_shape == (8, 8, 3)


def test_a_file_that_changed_is_seen(tmp_path):
    _make(tmp_path / "set")
    assert _load(tmp_path).images[0].max() == 0
    _save(tmp_path / "set" / "cat" / "0.png", 255, size=(9, 9))
    assert _load(tmp_path).images[0].max() == 255


def test_photographs_are_turned_upright(tmp_path):
    _make(tmp_path / "set")
    values = np.zeros((8, 8, 3), np.uint8)
    values[:4] = 240  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that the upper half is on the right
    Image.fromarray(values).save(tmp_path / "set" / "cat" / "0.png", exif=exif)
    found = _load(tmp_path).images[0, :, :, 0]
    assert (found[:, 4:] == 240).all() and (found[:, :4] == 0).all()


@pytest.mark.parametrize("harm", ["truncated", "empty", "text"])
def test_an_unreadable_file_is_named(tmp_path, harm):
    _make(tmp_path / "set")
    path = tmp_path / "set" / "dog" / "3.png"
    content = {"truncated": path.read_bytes()[:45], "empty": b"", "text": b"no image"}
    path.write_bytes(content[harm])
    with pytest.raises(DataError, match="dog/3.png is damaged") as caught:
        _load(tmp_path)
    assert "remove or replace" in str(caught.value) and "\n" not in str(caught.value)


def test_an_image_of_absurd_size_is_not_decoded(tmp_path, monkeypatch):
    from input_pipeline import image_source

    _make(tmp_path / "set")
    _save(tmp_path / "set" / "dog" / "3.png", 0, size=(40, 50))
    monkeypatch.setattr(image_source, "MOST_PIXELS", 1999)
    with pytest.raises(DataError, match="dog/3.png is damaged.*40 x 50 pixels"):
        _load(tmp_path)


def test_folders_that_hold_no_set_are_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        _load(tmp_path, root=tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="has no sub-folders"):
        _load(tmp_path, root=tmp_path / "bare")
    _make(tmp_path / "set")
    (tmp_path / "set" / "emu").mkdir()
    with pytest.raises(DataError, match="emu has no images") as caught:
        _load(tmp_path)
    assert "config.dataset.name='folder:" in str(caught.value)
    assert "\n" not in str(caught.value)
