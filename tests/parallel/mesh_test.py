"""Laws of the layout of devices: every one that can help does, and blocks fit."""

import jax
import numpy as np
import pytest

from parallel.mesh import (
    DATA_AXIS,
    LABEL_AXIS,
    label_data_shape,
    make_mesh,
    process_block,
    sharding,
    to_host,
    to_mesh,
)

SHAPES = [
    # devices, pairs, batch -> label, data
    (1, 10, 100, (1, 1)),
    (2, 10, 100, (2, 1)),
    (3, 10, 99, (1, 3)),
    (4, 10, 100, (2, 2)),
    (6, 10, 100, (5, 1)),
    (6, 10, 99, (2, 3)),
    (8, 10, 100, (2, 4)),
    (8, 100, 100, (4, 2)),
    (8, 1, 64, (1, 8)),
    (2000, 1000, 100, (1000, 2)),
]


@pytest.mark.parametrize(("devices", "pairs", "batch", "shape"), SHAPES)
def test_labels_are_shared_before_batches(devices, pairs, batch, shape):
    assert label_data_shape(devices, pairs, batch) == shape


@pytest.mark.parametrize("pairs", [1, 2, 7, 10])
@pytest.mark.parametrize("batch", [1, 6, 32])
def test_both_axes_divide_and_no_larger_mesh_does(pairs, batch):
    for devices in range(1, 13):
        label, data = label_data_shape(devices, pairs, batch)
        assert pairs % label == batch % data == 0
        others = [
            a * b
            for a in range(1, devices + 1)
            for b in range(1, devices // a + 1)
            if pairs % a == batch % b == 0
        ]
        assert label * data == max(others) <= devices


def test_one_process_feeds_everything():
    mesh = make_mesh(10, 12, jax.devices()[:4])
    assert process_block(mesh, 10, 12) == (slice(0, 10), slice(0, 12))


def test_what_goes_to_the_mesh_comes_back_from_where_it_belongs():
    mesh = make_mesh(4, 6, jax.devices()[:8])
    assert dict(mesh.shape) == {"label": 4, "data": 2}
    local = {"image": np.arange(24.0).reshape(4, 6)}
    placed = to_mesh(local, sharding(mesh, LABEL_AXIS, DATA_AXIS))
    np.testing.assert_array_equal(to_host(placed)["image"], local["image"])
    for shard in placed["image"].addressable_shards:
        row, column = np.argwhere(mesh.devices == shard.device)[0]
        expected = local["image"][row : row + 1, 3 * column : 3 * column + 3]
        np.testing.assert_array_equal(shard.data, expected)
