import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import stem_distortion
from inverse.distortion import data, factories
from inverse.distortion.cell_network import CellNetwork
from inverse.distortion.channels import Channels
from inverse.distortion.targets import (
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
    found = data.target_of(config, moments, jnp.int32(symmetry))
    maps = to_pixels(moments, config.dataset.pixels_per_cell)
    turned = fix_signs(transform_targets(maps, jnp.int32(symmetry)))
    channels = factories.make_channels(config)
    np.testing.assert_allclose(
        channels.at_cells(found, factories.map_pixels_per_cell(config)),
        channels.at_cells(channels.of(turned), config.dataset.pixels_per_cell),
        atol=1e-6,
    )


def small(of_a=(False, True), binning=1) -> CellNetwork:
    network = CellNetwork(
        detectors=3,
        of_a=of_a,
        pixels_per_cell=4,
        binning=binning,
        features=8,
        rngs=nnx.Rngs(0),
    )
    shape = network.head.kernel[...].shape
    network.head.kernel[...] = jax.random.normal(jax.random.key(9), shape)
    return network


@pytest.mark.parametrize("binning", [1, 2])
def test_a_crystal_moved_by_whole_cells_is_answered_alike_but_moved(binning):
    network = small(binning=binning)
    image = jax.random.normal(jax.random.key(0), (2, 24, 16, 6))
    # Which detectors are there is the same everywhere.
    image = image.at[..., 3:].set(1.0)
    for answer, moved in zip(
        network(image), network(jnp.roll(image, (8, -4), (1, 2))), strict=True
    ):
        assert answer.shape == (2, 12, 8, 2)  # quarters of cells of 4 pixels
        np.testing.assert_allclose(moved, jnp.roll(answer, (4, -2), (1, 2)), atol=1e-5)


def test_of_binned_pixels_only_the_sum_counts():
    image = jax.random.normal(jax.random.key(0), (1, 16, 16, 6))
    within = jnp.tile(jnp.array([[1.0, -3.0], [2.0, 0.0]]), (8, 8))[None, ..., None]
    whole, binned = small(), small(binning=2)
    assert binned.embed.kernel.shape[0] < whole.embed.kernel.shape[0]
    for network, is_same in ((whole, False), (binned, True)):
        answers = [network(x)[0] for x in (image, image.at[..., :3].add(within))]
        assert np.allclose(*answers, atol=1e-5) is is_same


def test_an_a_is_answered_by_the_octahedron_whose_cell_begins_at_it():
    """Of a token's answers A's is read about its corner, B's about its middle."""
    channels = Channels(num_moments=1, tilt_scale_deg=1.0, shift_scale_pm=1.0)
    of_a = tuple("_A_" in name for name in channels.names)
    network = small(of_a)
    # A's and the others' answers from the same weights: they differ by place alone.
    kernel = network.head.kernel[...]
    network.head.kernel[...] = jnp.repeat(kernel[:, :1], kernel.shape[1], axis=1)
    image = jax.random.normal(jax.random.key(0), (1, 16, 12, 6))
    mean = channels.at_cells(network(image)[0], 2)
    assert any(of_a) and not all(of_a)
    np.testing.assert_allclose(mean, jnp.broadcast_to(mean[..., :1], mean.shape))
    assert float(jnp.std(mean[..., 0])) > 1e-3


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
