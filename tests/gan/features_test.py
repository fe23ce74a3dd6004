import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from gan.efficientnet_lite import BLOCKS, EfficientNetLite0, imagenet_classifier
from gan.features import FeatureNetwork
from gan.folded_convolution import FoldedConvolution, FoldedDepthwise, fold, to_rgb
from gan.inception import Inception, _average, inception_2015, resize
from gan.inception_layers import kernel_shapes
from gan.weights import SOURCES
from input_pipeline.array_cache import directory

RNG = np.random.default_rng(0)
# Now, while modules are imported: during the tests the user's cache is another one.
WEIGHTS = directory("") / "weights"


def _published(network):
    """Path and checksum of published weights; skips the test where they are absent."""
    source = next(source for source in SOURCES if source.network == network)
    path = WEIGHTS / source.member.rsplit("/", 1)[1]
    if not path.is_file():
        pytest.skip("`make weights` was not run")
    return str(path), source.sha256


def _patterns(size):
    """Two images that are easily made anywhere, uint8 [2, size, size, 3]."""
    y, x = np.mgrid[:size, :size]
    first = (7 * y + 3 * x, 5 * x * y, y * y + 11 * x)
    second = (255 - 4 * y - 3 * x, 8 * y, 13 * x + 29 * y)
    return np.stack([np.stack(image, axis=-1) for image in (first, second)]).astype(
        np.uint8
    )


def test_images_are_seen_alike_in_any_company():
    def look(pixels):
        assert len(pixels) == 4
        return jnp.mean(pixels.astype(jnp.float32), (1, 2)), None

    network = FeatureNetwork("mean", "0", look, 4, False)
    images = RNG.integers(0, 256, (11, 8, 8, 3)).astype(np.uint8)
    features, probabilities = network.run(images)
    assert probabilities is None
    np.testing.assert_allclose(features, images.mean((1, 2)), rtol=1e-6)
    for num in (1, 4, 5):
        np.testing.assert_array_equal(network.run(images[:num])[0], features[:num])


def test_a_folded_convolution_is_the_convolution_and_its_normalisation():
    weight = RNG.normal(size=(5, 3, 3, 3)).astype(np.float32)
    mean, offset, scale = RNG.normal(size=(3, 5)).astype(np.float32)
    variance = RNG.uniform(0.1, 2, 5).astype(np.float32)
    images = RNG.normal(size=(2, 9, 9, 3)).astype(np.float32)
    layer = FoldedConvolution(
        *fold(weight, mean, variance, offset, scale, 1e-3), padding="VALID"
    )
    expected = np.zeros((2, 7, 7, 5))
    for y in range(7):
        for x in range(7):
            window = images[:, y : y + 3, x : x + 3].astype(np.float64)
            expected[:, y, x] = np.einsum("nyxc,ocyx->no", window, weight)
    expected = (expected - mean) / np.sqrt(variance + 1e-3) * scale + offset
    np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_depthwise_convolution_is_one_with_a_group_per_channel(size, window, stride):
    images = RNG.normal(size=(2, size, size, 6)).astype(np.float32)
    kernel = RNG.normal(size=(window, window, 1, 6)).astype(np.float32)
    bias = RNG.normal(size=6).astype(np.float32)
    expected = lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=6,
    )
    found = FoldedDepthwise(jnp.asarray(kernel), jnp.asarray(bias), stride=stride)
    expected = expected + bias[None, None, None]
    np.testing.assert_allclose(found(images), expected, rtol=1e-4, atol=1e-5)


def test_grey_becomes_three_equal_channels():
    grey = RNG.integers(0, 256, (2, 4, 4, 1)).astype(np.uint8)
    np.testing.assert_array_equal(to_rgb(jnp.asarray(grey)), np.tile(grey, 3))


@pytest.mark.parametrize("shape", [(32, 32), (28, 40), (64, 64), (400, 310)])
def test_images_are_resized_as_tensorflow_1_did_it(shape):
    image = RNG.integers(0, 256, (1, *shape, 1)).astype(np.float32)
    found = np.asarray(resize(jnp.asarray(image)))[0, :, :, 0]
    pixels = image[0, :, :, 0]

    def between(lower, upper, part):
        return lower + (upper - lower) * part

    for y, x in [(0, 0), (298, 298), (298, 0), (17, 203), (150, 150), (5, 297)]:
        y_old, x_old = y * shape[0] / 299, x * shape[1] / 299
        top, left = math.floor(y_old), math.floor(x_old)
        bottom, right = min(top + 1, shape[0] - 1), min(left + 1, shape[1] - 1)
        row = [
            between(pixels[i, left], pixels[i, right], x_old - left)
            for i in (top, bottom)
        ]
        expected = between(*row, y_old - top)
        assert found[y, x] == pytest.approx(expected, abs=0.01)


def test_average_pool_leaves_the_padding_out():
    image = RNG.normal(size=(1, 4, 5, 1)).astype(np.float32)
    found = np.asarray(_average(jnp.asarray(image)))[0, :, :, 0]
    for y in range(4):
        for x in range(5):
            window = image[0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, 0]
            assert found[y, x] == pytest.approx(window.mean(), abs=1e-5)


def test_inception_has_the_published_layers():
    shapes = kernel_shapes()
    assert len(shapes) == 94
    # Without its last layer the published net has 21,802,784 numbers, of which each
    # channel's variance and mean are folded into the kernels here.
    num_channels = sum(shape[3] for shape in shapes.values())
    num_weights = sum(math.prod(shape) for shape in shapes.values())
    assert num_weights + 3 * num_channels == 21_802_784


def test_inception_makes_2048_features_of_any_weights():
    weights = {
        name: (
            jnp.asarray(
                RNG.normal(size=s, scale=math.prod(s[:3]) ** -0.5), jnp.float32
            ),
            jnp.zeros(s[3]),
        )
        for name, s in kernel_shapes().items()
    }
    graphdef, params = nnx.split(Inception(weights))
    shape = nnx.eval_shape(
        lambda params, x: nnx.merge(graphdef, params)(x),
        params,
        jnp.zeros((2, 299, 299, 3)),
    )
    assert shape.shape == (2, 2048)


def test_inception_sees_what_its_publishers_saw():
    """Compared with the published file's own program, run by PyTorch 2.13."""
    network = dataclasses.replace(
        inception_2015(*_published("inception")), batch_size=2
    )
    features, probabilities = network.run(_patterns(32))
    assert probabilities is None
    assert features.shape == (2, 2048)
    first = [
        [0.7136306763, 0.1208863482, 0.2038179040, 0.3355137110],
        [0.4060307145, 0.0000000000, 0.0107797300, 0.0156966168],
    ]
    middle = [
        [0.1572617292, 0.1398384869, 0.2767916918, 1.0539338589],
        [0.2858892083, 0.0398111492, 0.0010455775, 0.7000100613],
    ]
    near = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    near(features[:, :4], first)
    near(features[:, 1000:1004], middle)
    near(features.mean(axis=1), [0.35222298, 0.23806897])


def _random_efficientnet():
    tensors = {}

    def layer(kernel, norm, *shape):
        scale = math.prod(shape[1:]) ** -0.5
        tensors[f"{kernel}.weight"] = RNG.normal(size=shape, scale=scale)
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{part}"] = RNG.uniform(0.5, 1, shape[0])

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    channels = 32
    for i, block in enumerate(BLOCKS):
        name, inner = f"_blocks.{i}", channels * block.expansion
        if block.expansion > 1:
            layer(f"{name}._expand_conv", f"{name}._bn0", inner, channels, 1, 1)
        window = (block.window, block.window)
        layer(f"{name}._depthwise_conv", f"{name}._bn1", inner, 1, *window)
        layer(f"{name}._project_conv", f"{name}._bn2", block.channels, inner, 1, 1)
        channels = block.channels
    layer("_conv_head", "_bn1", 1280, channels, 1, 1)
    tensors["_fc.weight"] = RNG.normal(size=(1000, 1280), scale=0.03)
    tensors["_fc.bias"] = RNG.normal(size=1000)
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def test_efficientnet_lite0_has_the_published_size():
    tensors = _random_efficientnet()
    learnt = [value for name, value in tensors.items() if "running" not in name]
    assert sum(value.size for value in learnt) == 4_652_008
    graphdef, params = nnx.split(EfficientNetLite0(tensors))
    features, logits = nnx.eval_shape(
        lambda params, x: nnx.merge(graphdef, params)(x),
        params,
        jnp.zeros((2, 224, 224, 3)),
    )
    assert (features.shape, logits.shape) == ((2, 1280), (2, 1000))


def test_efficientnet_lite0_answers_what_its_publishers_saw():
    """Compared with the package that its weights were made for, on PyTorch 2.13."""
    network = imagenet_classifier(*_published("imagenet"))
    network = dataclasses.replace(network, batch_size=1)
    features, probabilities = network.run(_patterns(224)[:1])
    assert features.shape == (1, 1280)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    best = np.argsort(-probabilities[0])[:4]
    np.testing.assert_array_equal(best, [858, 794, 109, 509])
    expected = [0.08994085, 0.06231149, 0.0402282, 0.03112412]
    np.testing.assert_allclose(probabilities[0, best], expected, rtol=1e-4)
