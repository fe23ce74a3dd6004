"""Which images are seen in a mirror, and how."""

from collections.abc import Sequence

import numpy as np

_FLIPPING = 1  # what a stream of random numbers is for; 0 is shuffle's

# Constants of splitmix64 (Steele, Lea and Flood, 2014).
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def flip_keys(seed: int, entries: Sequence[int]) -> np.ndarray:
    """Random words, one per entry, uint64 [entry, 1]."""
    words = [
        np.random.SeedSequence((seed, _FLIPPING, int(entry))).generate_state(
            1, np.uint64
        )
        for entry in entries
    ]
    return np.stack(words)


def mirrored(keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Whether the image at a position of an entry is flipped: every second is.

    Args:
      keys: of the entries [entry, 1], see `flip_keys`.
      positions: places in the entries' endless sequences [n].

    Returns:
      bool [entry, n]; each element depends on its own key and position only.
    """
    word = keys + positions.astype(np.uint64)[None] * _INCREMENT
    word = (word ^ (word >> np.uint64(30))) * _FACTORS[0]
    word = (word ^ (word >> np.uint64(27))) * _FACTORS[1]
    return (word >> np.uint64(63)).astype(bool)


def flip(images: np.ndarray, which: np.ndarray) -> None:
    """Mirrors images [..., y, x, c] left to right in place, where `which` [...]."""
    chosen = images[which]
    turned = np.empty_like(chosen)
    # Channel by channel: three times as fast as copying three bytes at a time.
    for channel in range(images.shape[-1]):
        turned[..., channel] = chosen[:, :, ::-1, channel]
    images[which] = turned
