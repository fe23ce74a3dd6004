"""The networks are the published ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan.models import Discriminator, Generator, image_size_of
from gan.train_state import num_params

PUBLISHED = (512, 256, 128, 64)


def _pair(features, channels, **more):
    shared = {"features": features, "channels": channels, "rngs": nnx.Rngs(0), **more}
    return Generator(latent_size=100, **shared), Discriminator(**shared)


def _num_params(module):
    return num_params(nnx.to_pure_dict(nnx.state(module, nnx.Param)))


def _by_hand(features, channels, latent_size=100):
    """Counts kernels of 4 x 4 and two numbers per normalised channel."""
    widths = (latent_size, *features, channels)
    kernels = 16 * sum(a * b for a, b in zip(widths, widths[1:], strict=False))
    generator = kernels + 2 * sum(features)
    widths = (channels, *reversed(features), 1)
    kernels = 16 * sum(a * b for a, b in zip(widths, widths[1:], strict=False))
    return generator, kernels + 2 * sum(features[:-1])


def test_published_networks_have_their_published_sizes():
    generator, discriminator = _pair(PUBLISHED, 3)
    assert _num_params(generator) == 3_576_704
    assert _num_params(discriminator) == 2_765_568


@pytest.mark.parametrize(
    ("features", "channels"),
    [((512, 256, 128), 3), ((512, 256, 128), 1), ((64, 32), 1)],
)
def test_smaller_forms_have_the_sizes_counted_by_hand(features, channels):
    pair = _pair(features, channels)
    assert tuple(map(_num_params, pair)) == _by_hand(features, channels)


@pytest.mark.parametrize("train", [True, False])
def test_generator_makes_images_and_discriminator_judges_them(train):
    generator, discriminator = _pair((16, 8), 3)
    classes = jnp.zeros(5, jnp.int32)
    images = generator(
        jax.random.normal(jax.random.key(0), (5, 100)), classes, train=train
    )
    side = image_size_of((16, 8))
    assert images.shape == (5, side, side, 3)
    assert np.abs(images).max() <= 1
    assert discriminator(images, classes, train=train).shape == (5,)


def test_running_statistics_move_in_training_only():
    generator, _ = _pair((16, 8), 1)
    latents = jax.random.normal(jax.random.key(0), (5, 100))
    classes = jnp.zeros(5, jnp.int32)

    def statistics():
        state = nnx.to_pure_dict(nnx.state(generator, nnx.BatchStat))
        return np.concatenate([x.ravel() for x in jax.tree.leaves(state)])

    before = statistics()
    generator(latents, classes, train=False)
    np.testing.assert_array_equal(statistics(), before)
    generator(latents, classes, train=True)
    assert (statistics() != before).any()


def test_initial_kernels_are_normal_with_deviation_a_fiftieth():
    generator, _ = _pair(PUBLISHED, 3)
    kernel = np.asarray(generator.stage_1.kernel[...])
    np.testing.assert_allclose(kernel.std(), 0.02, rtol=0.01)
    np.testing.assert_allclose(kernel.mean(), 0, atol=1e-4)


def test_unknown_normalisation_is_refused_by_name():
    with pytest.raises(ValueError, match="'spectral'"):
        _pair((16, 8), 1, **{"axis_name": None})[1].__class__(
            features=(16, 8), channels=1, normalisation="spectral", rngs=nnx.Rngs(0)
        )


def _values(module, name):
    """All values of the parameters whose path ends in `name`, in one array."""
    params = nnx.to_pure_dict(nnx.state(module, nnx.Param))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    found = [np.ravel(x) for path, x in leaves if path[-1].key == name]
    return np.concatenate(found)


@pytest.mark.parametrize("side", [0, 1])
def test_initial_values_are_the_published_ones(side):
    """Kernels N(0, 0.02), scales N(1, 0.02), biases 0; within five standard errors."""
    module = _pair(PUBLISHED, 3)[side]
    kernels, scales = _values(module, "kernel"), _values(module, "scale")
    for values, mean in ((kernels, 0.0), (scales, 1.0)):
        error = 0.02 / np.sqrt(len(values))
        assert abs(values.mean() - mean) < 5 * error
        assert abs(values.std() - 0.02) < 5 * error
    assert (_values(module, "bias") == 0).all()


def test_a_conditional_judge_looks_at_the_class_and_another_does_not():
    images = jax.random.normal(jax.random.key(0), (4, 16, 16, 1))
    zeros, ones = jnp.zeros(4, jnp.int32), jnp.ones(4, jnp.int32)
    for num_classes in (0, 3):
        judge = _pair((8, 4), 1, num_classes=num_classes)[1]
        alike = judge(images, zeros, train=True) == judge(images, ones, train=True)
        assert alike.all() == (num_classes == 0)
        assert alike.any() == (num_classes == 0)


def test_running_statistics_are_used_when_not_training():
    generator = _pair((8, 4), 1)[0]
    latents, classes = jnp.ones((2, 100)), jnp.zeros(2, jnp.int32)
    fresh = generator(latents, classes, train=False)
    for stage in (generator.stage_0, generator.stage_1):
        stage.normalisation.var[...] *= 4
    assert (generator(latents, classes, train=False) != fresh).any()


@pytest.mark.parametrize("num_classes", [0, 3])
def test_training_shows_each_image_with_its_own_class(num_classes):
    """Gradients of a class's own parameters come from images of that class alone."""
    judge = _pair((8, 4), 1, num_classes=3)[1]
    images = jax.random.normal(jax.random.key(0), (4, 16, 16, 1))
    classes = jnp.array([0, 2, 2, 0]) if num_classes else jnp.zeros(4, jnp.int32)

    def loss(module):
        return module(images, classes, train=True).sum()

    slopes = nnx.to_pure_dict(nnx.state(nnx.grad(loss)(judge)))["class_vectors"]
    used = np.abs(slopes).sum(axis=1) > 0
    assert used.tolist() == [True, False, bool(num_classes)]
