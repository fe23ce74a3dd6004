import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import stem_distortion
from inverse import distortion_data, distortion_factories
from inverse.cell_network import CellNetwork
from inverse.distortion_targets import (
    NUM_SYMMETRIES,
    fix_signs,
    to_pixels,
    transform_targets,
)
from inverse.simulator.distorted_crystal import Targets


@pytest.mark.parametrize("form", ["cells", "pixels"])
@pytest.mark.parametrize("symmetry", range(NUM_SYMMETRIES))
def test_targets_turned_by_quarters_of_cells_are_those_turned_pixel_by_pixel(
    symmetry, form
):
    config = stem_distortion.get_config("tuned")
    config.model.form = form
    keys = jax.random.split(jax.random.key(symmetry), 2)
    moments = Targets(
        jax.random.normal(keys[0], (2, 2, 3, 2, 3)),
        jnp.zeros((2, 2, 3, 3, 2)),
        jax.random.normal(keys[1], (2, 2, 3, 3, 3)),
    )
    found = distortion_data.target_of(config, moments, jnp.int32(symmetry))
    maps = to_pixels(moments, distortion_factories.map_pixels_per_cell(config))
    turned = fix_signs(transform_targets(maps, jnp.int32(symmetry)))
    expected = distortion_factories.make_channels(config).of(turned)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def small(of_a=(False, True)) -> CellNetwork:
    network = CellNetwork(
        detectors=3, of_a=of_a, pixels_per_cell=4, features=8, rngs=nnx.Rngs(0)
    )
    shape = network.head.kernel[...].shape
    network.head.kernel[...] = jax.random.normal(jax.random.key(9), shape)
    return network


def test_a_crystal_moved_by_whole_cells_is_answered_alike_but_moved():
    network, image = small(), jax.random.normal(jax.random.key(0), (2, 24, 16, 6))
    # Which detectors are there is the same everywhere.
    image = image.at[..., 3:].set(1.0)
    for answer, moved in zip(
        network(image), network(jnp.roll(image, (8, -4), (1, 2))), strict=True
    ):
        assert answer.shape == (2, 12, 8, 2)  # quarters of cells of 4 pixels
        np.testing.assert_allclose(moved, jnp.roll(answer, (4, -2), (1, 2)), atol=1e-5)


def test_an_octahedrons_token_sees_the_cells_about_it_and_no_others():
    """Without blocks, what lies outside of 2 x 2 cells changes nothing."""
    network = small((False, False))
    network.num_blocks = 0
    image = jax.random.normal(jax.random.key(0), (1, 16, 16, 6))
    changed = image.at[:, 14:].add(1.0).at[:, :, 14:].add(1.0)
    mean, again = network(image)[0], network(changed)[0]
    # Octahedron (1, 1) fills pixels 4 to 8, quarters 2 to 4, and sees pixels 2 to 10.
    np.testing.assert_allclose(mean[:, 2:4, 2:4], again[:, 2:4, 2:4], atol=1e-5)
    touched = network(image.at[:, 2, 2].add(1.0))[0]
    difference = np.abs(touched - mean).max(axis=(0, 3))
    assert difference[2:4, 2:4].min() > 1e-3
