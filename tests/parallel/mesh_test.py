"""Laws of the layout of devices: what goes to a block comes back from it."""

import jax
import numpy as np

from parallel.mesh import (
    DATA_AXIS,
    LABEL_AXIS,
    make_mesh,
    process_block,
    sharding,
    to_host,
    to_mesh,
)


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
