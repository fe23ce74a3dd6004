import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.datasets import load_digits

from gan import classifier
from gan.classifier import (
    ClassifierSettings,
    classifier_name,
    num_steps_of,
    own_classifier,
    train_classifier,
)
from gan.classifier_model import Classifier, num_stages
from input_pipeline.arrays import LabelledImages, load_arrays

QUICK = ClassifierSettings(
    epochs=1, min_steps=3, batch_size=16, width=4, num_features=8
)


def _images(split, shape=(16, 16, 1), num_labels=3, num=40, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (num, *shape)).astype(np.uint8)
    labels = np.arange(num, dtype=np.int32) % num_labels
    names = tuple(f"name {label}" for label in range(num_labels))
    return LabelledImages(images, labels, names, "dots", split, f"{split}{seed}")


def _digits(split):
    """Real handwritten digits, doubled to 16 x 16; every fifth is a test image."""
    found = load_digits()
    images = np.kron(found.images * (255 / 16), np.ones((1, 2, 2)))
    images = images.round().astype(np.uint8)[..., None]
    is_test = np.arange(len(images)) % 5 == 0
    chosen = is_test if split == "test" else ~is_test
    names = tuple("0123456789")
    labels = found.target.astype(np.int32)
    return LabelledImages(images[chosen], labels[chosen], names, "digits", split, split)


@pytest.mark.parametrize("size", [16, 28, 32, 64])
@pytest.mark.parametrize(("channels", "num_classes"), [(1, 10), (3, 100)])
def test_any_small_image_has_features_and_logits(size, channels, num_classes):
    def answers(images):
        module = Classifier(
            (size, size, channels), num_classes, 8, 24, rngs=nnx.Rngs(0)
        )
        return module.features_of(images), module(images)

    features, logits = nnx.eval_shape(answers, jnp.zeros((5, size, size, channels)))
    assert (features.shape, logits.shape) == ((5, 24), (5, num_classes))


def test_images_are_halved_down_to_four_pixels():
    assert [num_stages(size) for size in (8, 16, 28, 32, 64)] == [1, 2, 3, 3, 4]


def test_small_sets_get_as_many_steps_as_large_ones():
    settings = ClassifierSettings(epochs=3, min_steps=400, batch_size=100)
    assert num_steps_of(60_000, settings) == 1800
    assert num_steps_of(1000, settings) == 400
    assert num_steps_of(50, settings) == 400


def test_digits_are_classified(tmp_path):
    lines = []
    train, test = _digits("train"), _digits("test")
    network = own_classifier(
        train, test, ClassifierSettings(), cache_dir=str(tmp_path), report=lines.append
    )
    features, probabilities = network.run(test.images)
    accuracy = np.mean(probabilities.argmax(axis=1) == test.labels)
    assert accuracy >= 0.96
    assert f"{accuracy:.2%} of {len(test.labels)} test images" in lines[-1]
    assert features.shape == (len(test.labels), 128)
    assert network.knows_labels
    assert network.name == f"own_classifier_digits_e{ClassifierSettings().epochs}"
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_training_is_the_same_for_the_same_seed_and_another_for_another():
    first, again, other = (
        train_classifier(_images("train"), dataclasses.replace(QUICK, seed=seed))
        for seed in (0, 0, 1)
    )
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert not np.array_equal(first["kernel_0"], other["kernel_0"])


def test_every_image_is_seen_once_per_epoch_and_moves_by_at_most_the_shift():
    images = _images("train", shape=(6, 6, 1), num=40)
    settings = dataclasses.replace(QUICK, batch_size=10, shift=2)
    seen = list(classifier._batches(images, settings, 4))
    assert sorted(np.concatenate([labels for _, labels in seen])) == sorted(
        images.labels
    )
    padded = np.pad(images.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (6, 6), (1, 2))
    origins = []
    for pixels in np.concatenate([pixels for pixels, _ in seen]):
        found = (windows[:, :, :, 0] == pixels[:, :, 0]).all(axis=(-1, -2))
        origins.append(np.argwhere(found)[0])
    assert sorted(origin[0] for origin in origins) == list(range(40))
    assert len({tuple(origin[1:]) for origin in origins}) > 10


@pytest.fixture
def trained(tmp_path):
    """Trains or reads a classifier; returns it with what was reported."""

    def make(train=None, test=None, settings=QUICK):
        lines = []
        network = own_classifier(
            train or _images("train"),
            test or _images("test"),
            settings,
            cache_dir=str(tmp_path),
            report=lines.append,
        )
        return network, lines

    return make


def test_the_second_time_the_classifier_is_read_and_answers_the_same(
    trained, monkeypatch
):
    network, lines = trained()
    expected = network.run(_images("test").images)
    assert any("training" in line for line in lines)
    monkeypatch.setattr(
        classifier, "train_classifier", lambda *_: pytest.fail("was trained again")
    )
    again, lines_again = trained()
    for found, wanted in zip(again.run(_images("test").images), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert again.digest == network.digest
    assert lines_again == lines[-1:]


def test_other_data_or_settings_get_another_classifier(trained):
    digests = {
        trained()[0].digest,
        trained(train=_images("train", seed=1))[0].digest,
        trained(settings=dataclasses.replace(QUICK, seed=1))[0].digest,
        trained(settings=dataclasses.replace(QUICK, epochs=2))[0].digest,
    }
    assert len(digests) == 4


def test_what_was_trained_anew_to_other_weights_has_another_digest(
    trained, monkeypatch, tmp_path
):
    network, _ = trained()
    (path,) = tmp_path.glob("classifiers/*.npz")
    path.unlink()
    train = classifier.train_classifier
    monkeypatch.setattr(
        classifier,
        "train_classifier",
        lambda *given: {n: a + np.float32(1e-3) for n, a in train(*given).items()},
    )
    assert trained()[0].digest != network.digest


@pytest.mark.parametrize("damage", ["flipped bit", "cut short", "empty", "a pickle"])
def test_a_damaged_file_is_named_and_the_classifier_trained_again(
    damage, trained, tmp_path
):
    network, _ = trained()
    (path,) = tmp_path.glob("classifiers/*.npz")
    intact = path.read_bytes()
    middle = len(intact) // 2
    flipped = bytes([intact[middle] ^ 1])
    path.write_bytes(
        {
            "flipped bit": intact[:middle] + flipped + intact[middle + 1 :],
            "cut short": intact[:middle],
            "empty": b"",
            "a pickle": b"\x80\x04N.",
        }[damage]
    )
    again, lines = trained()
    assert str(path) in lines[0]
    assert "damaged" in lines[0]
    images = _images("test").images
    np.testing.assert_array_equal(again.run(images)[0], network.run(images)[0])
    assert len(trained()[1]) == 1  # whole again


def test_images_of_another_shape_are_refused(trained):
    network, _ = trained()
    with pytest.raises(ValueError, match="images must be"):
        network.run(np.zeros((4, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="train and test must be alike"):
        trained(test=_images("test", num_labels=4))


def test_a_classifier_is_named_after_its_data():
    assert classifier_name("cifar10", 10) == "own_classifier_cifar10_e10"
    assert classifier_name("folder:/data/my birds/", 3) == "own_classifier_my_birds_e3"


@pytest.mark.slow
def test_mnist_is_classified(shared_data, tmp_path):
    train, test = (
        load_arrays(
            "mnist",
            split,
            image_size=32,
            resize="pad",
            data_dir=str(shared_data / "tfds"),
            cache_dir=str(tmp_path),
        )
        for split in ("train", "test")
    )
    settings = ClassifierSettings(epochs=3)
    network = own_classifier(train, test, settings, cache_dir=str(tmp_path))
    _, probabilities = network.run(test.images)
    assert np.mean(probabilities.argmax(axis=1) == test.labels) >= 0.985
