import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from inverse.distortion.gaussian_loss import gaussian_loss
from inverse.distortion.network import CropNetwork, DistortionNetwork


def small(**settings) -> DistortionNetwork:
    return DistortionNetwork(
        **{
            "detectors": 2,
            "targets": 3,
            "features": 8,
            "dilations": (1, 2),
            "rngs": nnx.Rngs(0),
            **settings,
        }
    )


def with_random_head(network: DistortionNetwork) -> DistortionNetwork:
    shape = network.head.kernel[...].shape
    network.head.kernel[...] = jax.random.normal(jax.random.key(9), shape)
    return network


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (33, 19)])
def test_images_of_any_size_are_answered_pixel_by_pixel(size):
    mean, log_variance = small()(jnp.ones((2, *size, 2)))
    assert mean.shape == log_variance.shape == (2, *size, 3)


def test_before_training_it_predicts_the_mean_with_its_spread():
    image = jax.random.normal(jax.random.key(0), (1, 16, 16, 2))
    mean, log_variance = small()(image)
    assert float(jnp.abs(mean).max()) == float(jnp.abs(log_variance).max()) == 0


def test_a_specimen_shifted_by_four_pixels_gives_an_answer_shifted_by_four():
    network = with_random_head(small())
    image = jax.random.normal(jax.random.key(0), (1, 80, 80, 2))
    mean, _ = network(image)
    shifted, _ = network(image[:, 4:, 4:])
    inner = np.s_[:, 32:40, 32:40]
    np.testing.assert_allclose(mean[:, 4:, 4:][inner], shifted[inner], atol=1e-4)


def test_an_answer_does_not_depend_on_what_lies_far_away():
    network = with_random_head(small())
    image = jax.random.normal(jax.random.key(0), (1, 136, 40, 2))
    changed, _ = network(image.at[:, :8].set(5.0))
    mean, _ = network(image)
    # The image repeats: its last rows lie beside the first.
    far = np.s_[:, 64:80]
    np.testing.assert_allclose(mean[far], changed[far], atol=1e-5)
    assert float(jnp.abs(mean[:, :8] - changed[:, :8]).max()) > 0.1


@pytest.mark.slow
def test_it_learns_both_the_answer_and_how_far_to_trust_it():
    # The target is one detector; how noisy it is, the other tells.
    network = small(targets=1, features=16, dilations=(1,))
    graphdef, params = nnx.split(network)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, 400))

    def draw(key):
        keys = jax.random.split(key, 3)
        coarse = jax.random.normal(keys[0], (8, 4, 4, 1))
        signal = jnp.repeat(jnp.repeat(coarse, 4, axis=1), 4, axis=2)
        loud = jax.random.bernoulli(keys[1], 0.5, (8, 1, 1, 1))
        spread = jnp.where(loud, 0.5, 0.1) + 0 * signal
        target = signal + spread * jax.random.normal(keys[2], signal.shape)
        return jnp.concatenate([signal, loud + 0 * signal], -1), target, spread

    def loss(params, key):
        image, target, _ = draw(key)
        return gaussian_loss(*nnx.merge(graphdef, params)(image), target).mean()

    @jax.jit
    def step(params, state, key):
        grads = jax.grad(loss)(params, key)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for number in range(400):
        params, state = step(params, state, jax.random.key(number))
    image, target, spread = draw(jax.random.key(10_000))
    mean, log_variance = nnx.merge(graphdef, params)(image)
    for level in (0.1, 0.5):
        chosen = np.isclose(np.asarray(spread), level)
        left = np.sqrt(np.mean(np.asarray(target - mean)[chosen] ** 2))
        said = np.sqrt(np.mean(np.exp(np.asarray(log_variance)[chosen])))
        assert left < 1.5 * level
        np.testing.assert_allclose(said, left, rtol=0.2)


def test_the_published_form_gives_one_answer_per_crop_of_its_size():
    network = CropNetwork(
        detectors=1, outputs=27, widths=(4, 8), layers=(2, 2), rngs=nnx.Rngs(0)
    )
    crops = jax.random.normal(jax.random.key(0), (3, 64, 96, 1))
    assert network(crops, train=True).shape == (3, 27)
    assert np.isfinite(network(crops, train=False)).all()


def test_the_published_form_has_the_convolutions_of_vgg_16():
    network = nnx.eval_shape(
        lambda: CropNetwork(detectors=3, outputs=27, rngs=nnx.Rngs(0))
    )
    params = jax.tree.leaves(nnx.state(network, nnx.Param))
    kernels = [p.size for p in params if len(p.shape) == 4]
    # 13 convolutions, 14,710,464 weights (Simonyan and Zisserman, 2014).
    assert len(kernels) == 13 and sum(kernels) == 14_710_464
