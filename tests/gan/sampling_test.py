"""An image of a label comes from that label's generator, and from nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import digits
from gan.check_config import Facts
from gan.sampling import CHUNK_SIZE, mixture_labels, to_pixels
from gan.setup import make_setup

LABELS = np.array([2, 0, 2, 1, 2, 0])


def _trained(conditioning, num_labels=3):
    """Sampler, parameters and statistics; statistics that tell the pairs apart."""
    config = digits.get_config("smoke")
    config.dataset.num_labels = num_labels
    config.model.conditioning = conditioning
    setup = make_setup(config, Facts(num_labels, 1), jax.devices()[:1])
    state = setup.create_state()
    # Fresh generators draw nearly grey: larger kernels make images that differ.
    params = jax.tree.map(lambda x: 6 * x, state.ema)
    return setup, jax.device_get((params, state.generator.batch_stats))


def _by_hand(setup, generators, entry, label, seed, count):
    """Images of a label from one generator, one latent at a time."""
    params, stats = jax.tree.map(lambda x: x[entry], generators)
    key = jax.random.fold_in(jax.random.key(seed), label)
    latents = jnp.stack(
        [
            jax.random.normal(
                jax.random.fold_in(jax.random.fold_in(key, i), 0),
                (setup.pair.latent_size,),
            )
            for i in range(count)
        ]
    )
    images, _ = setup.pair.generator.apply(
        params, stats, latents, jnp.full(count, label), train=False
    )
    return np.asarray(to_pixels(images)).astype(int)


@pytest.mark.parametrize("conditioning", ["per_label", "class", "none"])
def test_images_come_from_the_generator_and_the_class_that_were_asked_for(conditioning):
    setup, generators = _trained(conditioning)
    images = setup.sampler.sample(*generators, LABELS, seed=4).astype(int)
    for label in range(3):
        entry = label if conditioning == "per_label" else 0
        places = np.flatnonzero(label == LABELS)
        expected = _by_hand(setup, generators, entry, label, 4, len(places))
        # Another batch size may round a pixel the other way.
        assert np.abs(images[places] - expected).max() <= 1


@pytest.mark.parametrize("conditioning", ["per_label", "class"])
def test_labels_draw_different_images(conditioning):
    setup, generators = _trained(conditioning)
    first = _by_hand(setup, generators, 0, 0, 4, 1)
    entry = 1 if conditioning == "per_label" else 0
    params, stats = jax.tree.map(lambda x: x[entry], generators)
    latents = jax.random.normal(jax.random.key(0), (1, setup.pair.latent_size))
    drawn = [
        setup.pair.generator.apply(
            params, stats, latents, jnp.array([label]), train=False
        )[0]
        for label in (0, 1)
    ]
    is_alike = np.allclose(*drawn)
    assert is_alike == (conditioning == "per_label")
    assert first.std() > 0


def test_an_image_does_not_depend_on_how_many_are_asked_for():
    setup, generators = _trained("per_label")
    many = np.repeat([0, 1], CHUNK_SIZE + 3)
    images = setup.sampler.sample(*generators, many, seed=0)
    few = setup.sampler.sample(*generators, np.array([1, 1]), seed=0)
    np.testing.assert_array_equal(images[CHUNK_SIZE + 3 :][:2], few)


@pytest.mark.parametrize("conditioning", ["per_label", "class"])
@pytest.mark.parametrize("num_devices", [2, 3, 8])
def test_images_are_the_same_wherever_the_generators_lie(conditioning, num_devices):
    """On a mesh each generator draws where it is; nothing is gathered but images."""
    config = digits.get_config("smoke")
    config.dataset.num_labels = 6
    config.model.conditioning = conditioning
    setup = make_setup(config, Facts(6, 1), jax.devices()[:num_devices])
    state = setup.create_state()
    generators = (state.ema, state.generator.batch_stats)
    assert len(jax.tree.leaves(generators)[0].sharding.device_set) > 1
    labels = np.array([5, 0, 5, 2, 1, 3, 4, 2])
    images = setup.sampler.sample(*generators, labels, seed=3)
    alone = setup.sampler.sample(*jax.device_get(generators), labels, seed=3)
    np.testing.assert_array_equal(images, alone)


def test_a_mixture_has_the_proportions_of_the_data():
    prior = np.array([0.7, 0.2, 0.0, 0.1])
    labels = mixture_labels(prior, 20_000, seed=0)
    shares = np.bincount(labels, minlength=4) / len(labels)
    # Four standard deviations of a share of one half.
    np.testing.assert_allclose(shares, prior, atol=4 * 0.5 / np.sqrt(20_000))
    assert shares[2] == 0


def test_pixels_are_rounded_and_never_wrap():
    values = jnp.array([-1.0, -0.999, 0.0, 0.999, 1.0, 1.1, -1.1])
    np.testing.assert_array_equal(to_pixels(values), [0, 0, 128, 255, 255, 255, 0])
