"""A classifier trained on the data set itself, as a feature network for its scores."""

import dataclasses
import hashlib
import pathlib
import re
from collections.abc import Callable, Iterator

import flax.traverse_util
import jax
import numpy as np
import optax
from flax import nnx

from gan.classifier_model import Classifier
from gan.features import FeatureNetwork
from gan.npz_cache import digest_of, load_or_make
from input_pipeline.array_cache import directory
from input_pipeline.arrays import LabelledImages

FORMAT_VERSION = 1
_BATCH_SIZE = 250  # images per call when the trained network is used


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """How the classifier is made.

    Attributes:
      epochs: passes over the training images.
      min_steps: small sets get more epochs, until there are as many steps.
      batch_size: images per step.
      width: channels of the first stage.
      num_features: features that scores are computed from.
      learning_rate: highest rate of the one-cycle schedule.
      weight_decay: of AdamW.
      shift: images are moved by up to so many pixels, each its own way.
      seed: another seed, another classifier.
    """

    epochs: int = 3
    min_steps: int = 400
    batch_size: int = 128
    width: int = 32
    num_features: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    shift: int = 1
    seed: int = 0


def _create(images: LabelledImages, settings: ClassifierSettings, key: jax.Array):
    return Classifier(
        images.image_shape,
        images.num_labels,
        settings.width,
        settings.num_features,
        rngs=nnx.Rngs(key),
    )


def _graphdef(images: LabelledImages, settings: ClassifierSettings):
    """Takes the network apart without computing anything."""
    create = nnx.eval_shape(lambda: _create(images, settings, jax.random.key(0)))
    return nnx.split(create)[0]


def _shifted(images: np.ndarray, shift: int, generator: np.random.Generator):
    """Moves each of `images` [n, y, x, c] by up to `shift`, repeating the edge."""
    if not shift:
        return images
    num, height, width, _ = images.shape
    around = ((0, 0), (shift, shift), (shift, shift), (0, 0))
    padded = np.pad(images, around, mode="edge")
    y, x = generator.integers(0, 2 * shift + 1, (2, num))
    rows = y[:, None, None] + np.arange(height)[None, :, None]
    columns = x[:, None, None] + np.arange(width)[None, None, :]
    return padded[np.arange(num)[:, None, None], rows, columns]


def _batches(
    images: LabelledImages, settings: ClassifierSettings, num_steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields shuffled, shifted images and their labels, epoch after epoch."""
    generator = np.random.default_rng(settings.seed)
    num = len(images.labels)
    size = min(settings.batch_size, num)
    per_epoch = num // size
    for step in range(num_steps):
        if step % per_epoch == 0:
            order = generator.permutation(num)
        first = step % per_epoch * size
        # Sorted, so that memory-mapped images are read front to back.
        batch = np.sort(order[first : first + size])
        pixels = _shifted(images.images[batch], settings.shift, generator)
        yield pixels, np.asarray(images.labels[batch], np.int32)


def num_steps_of(num_images: int, settings: ClassifierSettings) -> int:
    """Optimisation steps that `settings` ask for."""
    per_epoch = num_images // min(settings.batch_size, num_images)
    return max(settings.epochs * per_epoch, settings.min_steps)


def train_classifier(
    images: LabelledImages, settings: ClassifierSettings
) -> dict[str, np.ndarray]:
    """Trains a classifier of `images` from scratch.

    Returns:
      Its parameters under their paths, float32; the same for the same images,
      settings, machine and versions.
    """
    module = _create(images, settings, jax.random.key(settings.seed))
    graphdef, state = nnx.split(module)
    params = nnx.to_pure_dict(state)
    num_steps = num_steps_of(len(images.labels), settings)
    schedule = optax.cosine_onecycle_schedule(
        num_steps, settings.learning_rate, pct_start=0.2
    )
    optimizer = optax.adamw(schedule, weight_decay=settings.weight_decay)

    def mean_loss(params, pixels, labels):
        logits = nnx.merge(graphdef, params)(pixels)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    @jax.jit
    def train_step(params, opt_state, pixels, labels):
        grads = jax.grad(mean_loss)(params, pixels, labels)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    for pixels, labels in _batches(images, settings, num_steps):
        params, opt_state = train_step(params, opt_state, pixels, labels)
    flat = flax.traverse_util.flatten_dict(params, sep=".")
    return {name: np.asarray(value) for name, value in flat.items()}


def _network(
    images: LabelledImages,
    settings: ClassifierSettings,
    flat: dict[str, np.ndarray],
    digest: str,
) -> FeatureNetwork:
    graphdef = _graphdef(images, settings)
    params = jax.device_put(flax.traverse_util.unflatten_dict(flat, sep="."))

    @jax.jit
    def answers(params, pixels):
        # A GPU's default would round every product to 10 bits.
        with jax.default_matmul_precision("highest"):
            module = nnx.merge(graphdef, params)
            features = module.features_of(pixels)
            return features, jax.nn.softmax(module.logits(features))

    def look(pixels):
        if pixels.shape[1:] != images.image_shape:
            raise ValueError(
                f"images must be {images.image_shape} like those that the classifier "
                f"was trained on, got {pixels.shape[1:]}."
            )
        return answers(params, pixels)

    return FeatureNetwork(
        name=classifier_name(images.name, settings.epochs),
        digest=digest,
        look=look,
        batch_size=_BATCH_SIZE,
        knows_labels=True,
    )


def classifier_name(data_name: str, epochs: int) -> str:
    """Name of the classifier of a data set, e.g. "own_classifier_mnist_e3".

    Scores in the features of one that was trained for longer are other scores.
    """
    last = pathlib.PurePath(data_name.removeprefix("folder:")).name or "folder"
    return re.sub(r"\W+", "_", f"own_classifier_{last}_e{epochs}")


def _num_right(network: FeatureNetwork, images: LabelledImages) -> int:
    _, probabilities = network.run(images.images)
    return int(np.sum(probabilities.argmax(axis=1) == images.labels))


def _param_names(images: LabelledImages, settings: ClassifierSettings):
    create = nnx.eval_shape(lambda: _create(images, settings, jax.random.key(0)))
    tree = nnx.to_pure_dict(nnx.state(create, nnx.Param))
    return tuple(flax.traverse_util.flatten_dict(tree, sep="."))


def own_classifier(
    train: LabelledImages,
    test: LabelledImages,
    settings: ClassifierSettings,
    *,
    cache_dir: str,
    report: Callable[[str], None] = print,
) -> FeatureNetwork:
    """Returns a classifier of `train`, trained now or read from the cache.

    Args:
      train: images that it is trained on.
      test: images that its accuracy is measured on; of the same shape and labels.
      settings: how it is made.
      cache_dir: where it is kept; empty for the user's cache directory.
      report: is told the accuracy, when training begins, and of a damaged cache file.
    """
    if (train.image_shape, train.num_labels) != (test.image_shape, test.num_labels):
        raise ValueError(
            f"train and test must be alike, got {train.num_labels} labels of "
            f"{train.image_shape} and {test.num_labels} of {test.image_shape}."
        )
    digest = digest_of(
        FORMAT_VERSION, train.digest, test.digest, dataclasses.asdict(settings)
    )
    name = classifier_name(train.name, settings.epochs)

    def make():
        num_steps = num_steps_of(len(train.labels), settings)
        report(f"training {name} ({len(train.labels)} images, {num_steps} steps)")
        params = train_classifier(train, settings)
        right = _num_right(_network(train, settings, params, digest), test)
        return params | {"num_right": np.int64(right)}

    path = directory(cache_dir) / "classifiers" / f"{name}-{digest[:16]}.npz"
    names = (*_param_names(train, settings), "num_right")
    arrays = load_or_make(path, names, make, report)
    num_right = int(arrays.pop("num_right"))
    report(
        f"{name}: {num_right / len(test.labels):.2%} of {len(test.labels)} "
        f"{test.split} images right"
    )
    # Of the weights themselves: trained again elsewhere, they are others, and what was
    # kept of the features of the old ones says nothing of them.
    weights = {n: hashlib.sha256(a.tobytes()).hexdigest() for n, a in arrays.items()}
    return _network(train, settings, arrays, digest_of(digest, weights))
