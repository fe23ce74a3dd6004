"""The networks whose features scores are measured in."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class FeatureNetwork:
    """A network that looks at images.

    Attributes:
      name: part of the name of every score measured with it.
      digest: tells its weights apart from any others.
      look: uint8 [batch_size, y, x, c] -> (features [batch_size, d], class
        probabilities [batch_size, k] or None), on the device.
      batch_size: the size of every batch it sees, so that what it says of an image
        does not depend on how many others there are.
      knows_labels: its classes are the labels of the data set.
    """

    name: str
    digest: str
    look: Callable
    batch_size: int
    knows_labels: bool

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Looks at any number of images.

        Args:
          images: uint8 [n, y, x, c].

        Returns:
          Features [n, d] and class probabilities [n, k] (None if it has none).
        """
        seen, waiting = [], []
        for first in range(0, len(images), self.batch_size):
            batch = np.asarray(images[first : first + self.batch_size])
            missing = self.batch_size - len(batch)
            if missing:
                batch = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
            waiting.append(self.look(batch))
            if len(waiting) > 1:  # one late: the device works on while we fetch
                seen.append(jax.device_get(waiting.pop(0)))
        seen += jax.device_get(waiting)
        features, probabilities = zip(*seen, strict=True)
        if probabilities[0] is None:
            return np.concatenate(features)[: len(images)], None
        return (
            np.concatenate(features)[: len(images)],
            np.concatenate(probabilities)[: len(images)],
        )
