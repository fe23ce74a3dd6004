"""One split of a data set as its owner stored it: read image by image."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from input_pipeline.errors import DataError

MOST_PIXELS = 80_000_000  # a header that asks for more is damaged or hostile

T = TypeVar("T")


def damaged(name: str, error: Exception, remedy: str) -> DataError:
    """The error of an image called `name` that cannot be read."""
    why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return DataError(f"{name} is damaged ({why}); {remedy}.")


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Random access to the images of one split; threads may share it.

    Attributes:
      num: how many images there are.
      label_names: one name per label.
      read: number of an image -> (picture, as a rule not decoded yet; its label).
      name_of: number of an image -> what a person knows it by.
      remedy: what to do about a damaged image.
      count_channels: () -> 1 if all pictures are grey, else 3.
      labels: int32 [num], or None where only reading the images tells.
    """

    num: int
    label_names: tuple[str, ...]
    read: Callable[[int], tuple[Image.Image, int]]
    name_of: Callable[[int], str]
    remedy: str
    count_channels: Callable[[], int]
    labels: np.ndarray | None = None

    def use(self, number: int, function: Callable[[Image.Image], T]) -> tuple[T, int]:
        """Hands an image to `function`, which may decode it.

        Returns:
          (what `function` returned, the image's label).

        Raises:
          DataError: the image is damaged; names it.
        """
        try:
            picture, label = self.read(number)
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            if not 0 <= label < len(self.label_names):
                raise ValueError(f"label {label} of {len(self.label_names)}")
            return function(picture), label
        except (DataError, MemoryError):
            raise
        # Readers and decoders raise whatever they like at damaged bytes.
        except Exception as error:
            raise damaged(self.name_of(number), error, self.remedy) from error


def source_of_arrays(
    images: np.ndarray, labels: np.ndarray, label_names: tuple[str, ...], name: str
) -> ImageSource:
    """Makes a source of arrays in memory.

    Args:
      images: uint8 [n, y, x, c] with 1 or 3 channels.
      labels: integers [n].
      label_names: one name per label.
      name: of the set.
    """
    squeezed = images[..., 0] if images.shape[-1] == 1 else images

    def read(number: int) -> tuple[Image.Image, int]:
        return Image.fromarray(squeezed[number]), int(labels[number])

    return ImageSource(
        num=len(labels),
        label_names=label_names,
        read=read,
        name_of=lambda number: f"image {number} of {name}",
        remedy="fetch that set again",
        count_channels=lambda: images.shape[-1],
        labels=np.asarray(labels, np.int32),
    )
