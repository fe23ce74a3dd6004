"""Tiles keep counts and places, and join to the map that they were cut from."""

import numpy as np
import pytest

from inverse.density.tiles import Blend, read_tile, rebinning, starts, tiles
from inverse.errors import ConfigError
from inverse.scan.geometry import Scan
from inverse.scan.measured import measured_scan

SCAN = Scan((4, 4), 1.0, 0.5, 2.0, 100e3, 20.0)
SIZE = 8  # pixels of a pattern and of a tile


def _measured(stack, step_a=1.0, angle_mrad=2.0):
    said = {"energy_ev": 100e3, "semiangle_mrad": 20.0, "axes": "y,x,ky,kx"}
    said |= {"step_a": step_a, "angle_mrad": angle_mrad}
    return measured_scan(stack, said, "")


def test_a_tile_of_the_networks_geometry_is_the_scan_itself():
    stack = np.random.default_rng(0).random((6, 7, SIZE, SIZE), np.float32)
    found = read_tile(_measured(stack), SCAN, SIZE, 2, 1)
    expected = stack[2:6, 1:5].reshape(16, SIZE, SIZE)
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), expected, rtol=1e-6)


@pytest.mark.parametrize("pixel", [0.37, 1.0, 1.9])
def test_rebinning_keeps_counts_and_their_density(pixel):
    num, target, target_pixel = 16, 64, 1.0  # 64 reach further than 16 of any of these
    shares = rebinning(num, pixel, target, target_pixel)
    counts = np.random.default_rng(1).random(num)
    assert (shares @ counts).sum() == pytest.approx(counts.sum(), rel=1e-5)
    # Around the axis, where both pixels' centres lie.
    even = (shares @ np.ones(num))[target // 2 - 2 : target // 2 + 3]
    np.testing.assert_allclose(even, target_pixel / pixel, rtol=1e-5)


def test_a_finer_scan_of_a_linear_field_is_read_where_the_network_looks():
    step = 0.3
    rows, columns = np.meshgrid(np.arange(14), np.arange(15), indexing="ij")
    field = 2 * rows * step + 5 * columns * step
    stack = np.broadcast_to(field[..., None, None], (14, 15, SIZE, SIZE))
    found = read_tile(_measured(stack.astype(np.float32), step), SCAN, SIZE, 0, 0)
    y, x = np.divmod(np.arange(16), 4)
    np.testing.assert_allclose(found[0, 0], 2 * y + 5 * x, atol=1e-5)


@pytest.mark.parametrize("count", [4, 5, 9, 16])
def test_tiles_cover_every_position_and_stay_inside(count):
    found = starts(count, 4)
    seen = {p for start in found for p in range(start, start + 4)}
    assert seen == set(range(count)) and len(found) == len(set(found))


def test_blended_tiles_are_the_map_that_they_were_cut_from():
    whole = np.random.default_rng(2).random((6 * 2, 9 * 2))
    blend = Blend((6, 9), 2, SIZE)
    stack = np.zeros((6, 9, SIZE, SIZE), np.float32)
    for row, column, _ in tiles(_measured(stack), SCAN, SIZE):
        y, x = 2 * row, 2 * column
        blend.add(whole[y : y + SIZE, x : x + SIZE], row, column)
    np.testing.assert_allclose(blend.map(), whole, rtol=1e-6)


def test_a_field_smaller_than_the_networks_is_refused():
    stack = np.zeros((3, 8, SIZE, SIZE), np.float32)
    with pytest.raises(ConfigError, match="3 positions along y"):
        list(tiles(_measured(stack), SCAN, SIZE))
