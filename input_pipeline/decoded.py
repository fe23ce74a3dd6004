"""What every source of whole data sets hands over."""

from typing import NamedTuple

import numpy as np


class DecodedSet(NamedTuple):
    """A split of a data set, in its original size and order.

    Attributes:
      images: uint8 [n, y, x, c].
      labels: int32 [n].
      label_names: one name per label.
    """

    images: np.ndarray
    labels: np.ndarray
    label_names: tuple[str, ...]
