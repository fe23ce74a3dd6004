import struct

import numpy as np
import pytest
from PIL import Image

from inverse.errors import ConfigError
from inverse.micrograph.files import read_micrograph

IMAGE = np.random.default_rng(0).integers(0, 1000, (40, 48)).astype(np.uint16)


def test_every_kind_of_file_gives_the_image_that_was_written(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE)
    Image.fromarray(IMAGE).save(tmp_path / "b.tif")
    # A header of 22 bytes, where offsets stand, and the offset of the only image.
    series = struct.pack("<2sHHiiii", b"II", 0x0197, 0x0210, 0, 0, 1, 1)
    series += struct.pack("<ii", 26, 30)
    element = struct.pack("<ddiddihii", 0, 1e-11, 0, 0, 1e-11, 0, 2, 48, 40)
    (tmp_path / "d.ser").write_bytes(series + element + IMAGE.tobytes())
    sizes = {"a.npy": 0.0, "b.tif": 0.0, "d.ser": 0.1}
    for name, pixel_a in sizes.items():
        found = read_micrograph(str(tmp_path / name))
        np.testing.assert_array_equal(found.image, IMAGE, err_msg=name)
        assert found.pixel_a == pytest.approx(pixel_a), name


def test_hdf5_gives_the_image_and_the_scale_of_its_axes(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "c.hdf5", "w") as file:
        group = file.create_group("Experiments/some")
        group["data"] = IMAGE
        for number in (0, 1):
            axis = group.create_group(f"axis-{number}")
            axis.attrs["scale"], axis.attrs["units"] = 0.02, "nm"
    found = read_micrograph(str(tmp_path / "c.hdf5"))
    np.testing.assert_array_equal(found.image, IMAGE)
    assert found.pixel_a == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("small.npy", np.ones((5, 5))),
        ("stack.npy", np.ones((40, 40, 7))),
        ("flat.npy", np.ones((40, 40))),
        ("nan.npy", np.where(np.eye(40) > 0, np.nan, 1.0)),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path, name, content):
    np.save(tmp_path / name, content)
    with pytest.raises(ConfigError, match=rf"--input='.*{name}'") as refused:
        read_micrograph(str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none_of_its_kind_is_refused(tmp_path):
    for name in ("x.ser", "x.tif", "x.hdf5", "x.npy"):
        (tmp_path / name).write_bytes(b"no micrograph at all, but long enough")
        with pytest.raises(ConfigError, match="--input="):
            read_micrograph(str(tmp_path / name))
    with pytest.raises(ConfigError, match="no such file"):
        read_micrograph(str(tmp_path / "missing.npy"))


def test_what_is_wrong_with_the_numbers_is_said(tmp_path):
    image = np.random.default_rng(0).random((40, 40))
    np.save(tmp_path / "waves.npy", image + 1j)
    with pytest.raises(ConfigError, match="it holds complex128, not real numbers"):
        read_micrograph(str(tmp_path / "waves.npy"))
    image[3, 4:6] = np.nan
    np.save(tmp_path / "holes.npy", image)
    with pytest.raises(ConfigError, match="2 of its pixels are no numbers"):
        read_micrograph(str(tmp_path / "holes.npy"))
    with pytest.raises(ConfigError, match="is a directory"):
        read_micrograph(str(tmp_path))


def test_a_ser_file_that_is_cut_short_says_so(tmp_path):
    (tmp_path / "empty.ser").write_bytes(b"")
    with pytest.raises(ConfigError, match="its 0 bytes end before an image"):
        read_micrograph(str(tmp_path / "empty.ser"))
