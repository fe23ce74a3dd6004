"""Averaged over the symmetries, a prediction turns with the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion import targets as dt
from inverse.distortion.channels import Channels
from inverse.distortion.symmetric_prediction import averaged_over_symmetries

CHANNELS = Channels(num_moments=2, tilt_scale_deg=3.0, shift_scale_pm=10.0)


def some_network(images):
    """Maps that look at their surroundings, and differently along x and y."""
    keys = jax.random.split(jax.random.key(1))
    count = len(CHANNELS.names)
    around = jnp.concatenate(
        [images, jnp.roll(images, 1, 1), jnp.roll(images, 2, 2)], -1
    )
    mean, spread = (
        jnp.tanh(around @ jax.random.normal(key, (around.shape[-1], count)))
        for key in keys
    )
    # Alternating tilts count as positive, which training teaches.
    alternating = np.array(["alternating" in name for name in CHANNELS.names])
    return jnp.where(alternating.reshape(1, 1, 1, -1), 2 + mean, mean), spread


@pytest.mark.parametrize("shape", [(8, 8), (8, 12)])
@pytest.mark.parametrize("symmetry", range(dt.NUM_SYMMETRIES))
def test_maps_turn_with_the_image(symmetry, shape):
    image = jax.random.normal(jax.random.key(0), (*shape, 3))
    symmetric = averaged_over_symmetries(some_network, CHANNELS)
    mean, spread = (maps[0] for maps in symmetric(image[None]))
    turned = symmetric(dt.transform_image(image, symmetry)[None])
    expected = dt.fix_signs(dt.transform_targets(CHANNELS.to_targets(mean), symmetry))
    np.testing.assert_allclose(turned[0][0], CHANNELS.of(expected), atol=2e-5)
    swapped = dt.transform_spreads(CHANNELS.to_targets(spread), symmetry)
    np.testing.assert_allclose(turned[1][0], CHANNELS.of(swapped), atol=2e-5)


@pytest.mark.parametrize("symmetry", range(dt.NUM_SYMMETRIES))
def test_every_symmetry_is_undone_by_its_inverse(symmetry):
    image = jnp.arange(24.0).reshape(4, 6)
    back = dt.INVERSE_SYMMETRIES[symmetry]
    there = dt.transform_image(image, symmetry)
    np.testing.assert_array_equal(dt.transform_image(there, back), image)


def test_channels_become_targets_and_channels_again():
    maps = jax.random.normal(jax.random.key(2), (4, 4, len(CHANNELS.names)))
    again = CHANNELS.of(CHANNELS.to_targets(maps))
    np.testing.assert_allclose(again, maps, rtol=1e-6)
