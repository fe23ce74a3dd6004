"""What a rank remembers of tensors that all ranks once agreed on."""

import enum

import numpy as np

from parallel.control_plane.records import Tensor

CAPACITY = 1024  # entries
WORD_BYTES = 8
_WORD_BITS = 8 * WORD_BYTES
# Before the bits of the tensors: shut down, something uncached, something invalid.
STATUS_BITS = 3


class Lookup(enum.Enum):
    """What the cache says of a request."""

    HIT = "hit"
    MISS = "miss"
    INVALID = "invalid"


def num_words(num_entries: int) -> int:
    """64-bit words that hold the status bits and one bit per entry."""
    return -(-(STATUS_BITS + num_entries) // _WORD_BITS)


def pack(bits: np.ndarray) -> np.ndarray:
    """Bits as words, rounded up [words], uint64; the rest is zero."""
    padded = np.zeros(num_words(len(bits) - STATUS_BITS) * _WORD_BITS, bool)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view("<u8")


def unpack(words: np.ndarray, num_bits: int) -> np.ndarray:
    """The bits that `pack` made words of [num_bits], bool."""
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return bits[:num_bits].astype(bool)


class ResponseCache:
    """Tensors in the order in which they were broadcast: the same on all ranks.

    A position is a tensor's bit. What is erased leaves no gap. A full cache takes no
    more, and what it did not take goes on asking the coordinator: our choice, because
    a cache that pushes out the oldest entry never hits when one step asks for more
    tensors than it holds.
    """

    def __init__(self, capacity: int = CAPACITY):
        """Starts empty; holds `capacity` tensors."""
        self._capacity = capacity
        self._entries: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Entries, and thus bits after the status bits."""
        return len(self._entries)

    @property
    def places(self) -> list[int]:
        """The tensors' places in the list of tensors, by position."""
        return list(self._entries)

    def look_up(self, place: int, tensor: Tensor) -> Lookup:
        """Whether `tensor` was agreed on as it is asked for now."""
        if place not in self._entries:
            return Lookup.MISS
        return Lookup.HIT if self._entries[place] == tensor else Lookup.INVALID

    def insert(self, place: int, tensor: Tensor) -> None:
        """Appends what has just been broadcast, if there is room."""
        if len(self) < self._capacity:
            self._entries[place] = tensor

    def erase(self, positions: np.ndarray) -> None:
        """Forgets entries; those behind them move up."""
        places = self.places
        for position in positions:
            del self._entries[places[position]]
