"""Random crops of images that are decoded while training runs."""

import concurrent.futures
import math
import os

import numpy as np
from PIL import Image

from input_pipeline import array_cache
from input_pipeline.arrays import LabelledImages
from input_pipeline.encoded import EncodedSet
from input_pipeline.folder import centre_square
from input_pipeline.images import draw
from input_pipeline.label_partition import LabelPartition

_CROPPING = 2  # what a stream of random numbers is for, beside those of images.py
_AREA = (0.08, 1.0)  # share of the image that a crop covers
_ASPECT = (3 / 4, 4 / 3)  # width over height of a crop
_ATTEMPTS = 10  # crops drawn before the centred square is taken


def random_crop_box(
    width: int, height: int, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draws (left, top, right, bottom) of a crop, as Inception's training did.

    Source: arXiv:1409.4842, section 6: area 8 % to 100 %, aspect 3/4 to 4/3.
    """
    for _ in range(_ATTEMPTS):
        area = width * height * random.uniform(*_AREA)
        aspect = math.exp(random.uniform(*map(math.log, _ASPECT)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left = int(random.integers(0, width - w + 1))
            top = int(random.integers(0, height - h + 1))
            return left, top, left + w, top + h
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


class CropBatches:
    """One block of entries and examples, decoded by a pool of threads.

    Pillow lets go of the interpreter while it decodes, so threads suffice; no more
    than the images of the batches in flight are ever held.
    """

    def __init__(
        self,
        encoded: EncodedSet,
        partition: LabelPartition,
        *,
        image_size: int,
        entries: slice,
        examples: slice,
        batch_size: int,
        seed: int,
        flip: bool,
        workers: int = 0,
    ):
        """Creates the block; see `input_pipeline.images.LabelBatches`.

        Args:
          encoded: the data set.
          partition: images of every entry.
          image_size: side of the crops after resizing [pixels].
          entries: the block's entries.
          examples: the block's positions in every entry's batch.
          batch_size: of the whole batch of one entry.
          seed: of shuffling, cropping and flipping.
          flip: mirror every second crop left to right, at random.
          workers: threads; 0 for one per core.
        """
        self._encoded = encoded
        self._partition = partition
        self._size = image_size
        self._entries = range(len(partition.indices))[entries]
        self._examples = np.arange(batch_size)[examples]
        self._batch_size = batch_size
        self._seed = seed
        self._flip = flip
        self._pool = concurrent.futures.ThreadPoolExecutor(
            workers or os.cpu_count(), thread_name_prefix="decode"
        )

    def _crop(self, number: int, entry: int, position: int) -> np.ndarray:
        random = np.random.default_rng((self._seed, _CROPPING, entry, position))
        image = self._encoded.decode(int(number))
        box = random_crop_box(*image.size, random)
        size = (self._size,) * 2
        crop = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box))
        mirrored = self._flip and random.random() < 0.5
        return crop[:, ::-1] if mirrored else crop

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Returns the batch of `step`, as `LabelBatches.batch_at` does.

        Raises:
          DataError: a damaged image.
        """
        positions = step * self._batch_size + self._examples
        numbers = [
            draw(self._partition.indices[entry], self._seed, entry, positions)
            for entry in self._entries
        ]
        wanted = [
            (number, entry, int(position))
            for entry, row in zip(self._entries, numbers, strict=True)
            for number, position in zip(row, positions, strict=True)
        ]
        crops = list(self._pool.map(lambda arguments: self._crop(*arguments), wanted))
        shape = (len(self._entries), len(self._examples))
        return {
            "image": np.stack(crops).reshape(*shape, self._size, self._size, 3),
            "label": self._encoded.labels[np.stack(numbers)],
            "example": np.broadcast_to(self._examples.astype(np.int32), shape),
        }


def centred_sample(
    encoded: EncodedSet, split: str, num: int, image_size: int, cache_dir: str
) -> LabelledImages:
    """Decodes about `num` images, every label in proportion, for pictures and scores.

    Each is cut to its centred square and resized. They are cached like whole sets.
    """
    order = np.argsort(encoded.labels, kind="stable")
    spread = np.linspace(0, len(order) - 1, min(num, len(order))).round().astype(int)
    chosen = order[spread]
    name = f"{split}-sample-{len(chosen)}-{image_size}-{encoded.digest[:12]}"
    where = array_cache.directory(cache_dir) / name
    if array_cache.read(where) is None:
        size = (image_size,) * 2

        def decode(number):
            square = centre_square(encoded.decode(int(number)))
            return np.asarray(square.resize(size, Image.Resampling.BILINEAR))

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            images = np.stack(list(pool.map(decode, chosen)))
        labels = encoded.labels[chosen]
        array_cache.write(where, images, labels, encoded.label_names)
    held = array_cache.read(where)
    return LabelledImages(
        images=held.images,
        labels=held.labels,
        label_names=held.label_names,
        name=encoded.name,
        split=split,
        digest=held.digest,
    )
