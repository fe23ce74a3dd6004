"""Batches of random crops, decoded as they are needed: for ImageNet and its like."""

import concurrent.futures
import dataclasses
import math

import numpy as np
from PIL import Image

from input_pipeline.arrays import LabelledImages, decoded_once
from input_pipeline.batch_plan import BatchPlan
from input_pipeline.cache_key import CacheKey
from input_pipeline.crop_box import crop_box, draw_uniforms
from input_pipeline.decode import num_threads
from input_pipeline.encoded import EncodedSet
from input_pipeline.flip import flip
from input_pipeline.label_partition import LabelPartition
from input_pipeline.picture import coloured, orientation, pixels, upright

_CROPPING = 2  # what a stream of random numbers is for; 0 and 1 are taken


def cropped(
    picture: Image.Image,
    image_shape: tuple[int, int, int],
    uniforms: np.ndarray,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> np.ndarray:
    """Cuts a random box out of a picture and resizes it, antialiased.

    Args:
      picture: possibly not decoded yet.
      image_shape: of the result (size, size, channels).
      uniforms: see `crop_box`.
      area: least and largest share of the picture's area.
      aspect: least and largest width / height of the box.

    Returns:
      uint8 [size, size, channels].
    """
    size, _, channels = image_shape
    width, height = picture.size
    held = orientation(picture)
    box = crop_box(width, height, uniforms, area, aspect)
    across, down = box[2] - box[0], box[3] - box[1]
    # JPEG decodes at 1/2, 1/4 or 1/8 for less; the box keeps `size` pixels or more.
    wanted = (math.ceil(width * size / across), math.ceil(height * size / down))
    picture.draft(None, wanted)
    decoded = coloured(picture, channels)
    x, y = decoded.width / width, decoded.height / height
    square = decoded.resize(
        (size, size),
        Image.Resampling.BILINEAR,
        box=(box[0] * x, box[1] * y, box[2] * x, box[3] * y),
    )
    return pixels(upright(square, held))


class CropBatches:
    """One block of every step's batches; the same contract as LabelBatches."""

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
        area: tuple[float, float] = (0.08, 1.0),
        aspect: tuple[float, float] = (3 / 4, 4 / 3),
        threads: int = 0,
    ):
        """Creates the block and its pool of workers.

        Args:
          encoded: the data set.
          partition: images of every entry.
          image_size: side of the crops after resizing [pixels].
          entries: the block's entries.
          examples: the block's positions in every entry's batch.
          batch_size: of the whole batch of one entry.
          seed: of the shuffling, cropping and flipping.
          flip: mirror every second image left to right, at random.
          area: least and largest share of a picture that is cut out.
          aspect: least and largest width / height of what is cut out.
          threads: that decode; 0 for one per core.
        """
        if not 0 < area[0] <= area[1] <= 1:
            raise ValueError(f"{area=} must be two shares, the smaller first.")
        if not 0 < aspect[0] <= 1 <= aspect[1]:
            raise ValueError(f"{aspect=} must have 1 between them.")
        self._encoded, self._seed = encoded, seed
        self._image_shape = (image_size, image_size, encoded.channels)
        self._area, self._aspect = area, aspect
        self._plan = BatchPlan(
            partition,
            entries=entries,
            examples=examples,
            batch_size=batch_size,
            seed=seed,
            flip=flip,
        )
        self._pool = concurrent.futures.ThreadPoolExecutor(
            threads or num_threads(), "crop"
        )

    def _crop(self, number: int, entry: int, position: int) -> np.ndarray:
        uniforms = draw_uniforms(self._seed, _CROPPING, entry, position)
        shape, area, aspect = self._image_shape, self._area, self._aspect
        return self._encoded.source.use(
            number, lambda picture: cropped(picture, shape, uniforms, area, aspect)
        )[0]

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Returns the batch of `step`, whichever batches were asked for before.

        Returns:
          See `LabelBatches.batch_at`.

        Raises:
          DataError: an image is damaged.
        """
        picks = self._plan.at(step)
        shape = picks.images.shape
        numbers = picks.images.ravel().tolist()
        entries = np.repeat(picks.entries, shape[1]).tolist()
        positions = np.tile(picks.positions, shape[0]).tolist()
        image = np.empty((*shape, *self._image_shape), np.uint8)
        flat = image.reshape(-1, *self._image_shape)
        for row, crop in enumerate(
            self._pool.map(self._crop, numbers, entries, positions)
        ):
            flat[row] = crop
        flip(image, picks.mirrored)
        return {
            "image": image,
            "label": self._encoded.labels[picks.images].astype(np.int32, copy=False),
            "example": picks.examples,
        }

    def close(self) -> None:
        """Ends the workers."""
        self._pool.shutdown(cancel_futures=True)


def centred_sample(
    encoded: EncodedSet, split: str, num: int, image_size: int, cache_dir: str
) -> LabelledImages:
    """Decodes about `num` images, every label in proportion, for pictures and scores.

    Each is cut to its centred square and resized. They are cached like whole sets.
    """
    order = np.argsort(encoded.labels, kind="stable")
    spread = np.linspace(0, len(order) - 1, min(num, len(order))).round().astype(int)
    chosen = order[spread]
    source = encoded.source
    sample = dataclasses.replace(
        source,
        num=len(chosen),
        read=lambda number: source.read(int(chosen[number])),
        name_of=lambda number: source.name_of(int(chosen[number])),
        count_channels=lambda: encoded.channels,
        labels=None,
    )
    key = CacheKey(encoded.name, split, f"{image_size}-sample{len(chosen)}", "")
    return decoded_once(
        key.directory(cache_dir, encoded.digest),
        lambda: sample,
        image_size=image_size,
        resize="bilinear",
        name=encoded.name,
        split=split,
    )
