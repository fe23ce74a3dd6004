"""Endless shuffled sequences of images, addressed by position."""

import numpy as np

_SHUFFLING = 0  # what a stream of random numbers is for
_KEPT = 2  # a batch rarely touches more epochs


def permutation(seed: int, entry: int, epoch: int, num: int) -> np.ndarray:
    """Order in which `entry` shows its `num` images in `epoch`, int64 [num].

    The order of raw random words: it is the same on any machine, for any NumPy.
    """
    words = np.random.Philox(np.random.SeedSequence((seed, _SHUFFLING, entry, epoch)))
    return np.argsort(words.random_raw(num), kind="stable")


class ShuffledSequence:
    """One entry's images, epoch after epoch, each epoch in an order of its own."""

    def __init__(self, indices: np.ndarray, seed: int, entry: int):
        """Creates the sequence.

        Args:
          indices: numbers of the entry's images [m].
          seed: of the whole run.
          entry: the entry's number among all, whoever asks.
        """
        self._indices, self._seed, self._entry = indices, seed, entry
        self._orders: dict[int, np.ndarray] = {}

    def _order(self, epoch: int) -> np.ndarray:
        order = self._orders.get(epoch)
        if order is None:
            num = len(self._indices)
            order = permutation(self._seed, self._entry, epoch, num)
            kept = [*self._orders.items()][-_KEPT + 1 :]
            # Replaced, not changed: another thread may be looking.
            self._orders = {**dict(kept), epoch: order}
        return order

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Returns the numbers of the images at `positions` int64 [n], n > 0."""
        num = len(self._indices)
        epochs, places = np.divmod(positions, num)
        first, last = int(epochs.min()), int(epochs.max())
        if first == last:
            return self._indices[self._order(first)[places]]
        picked = np.empty(len(positions), np.int64)
        for epoch in range(first, last + 1):
            here = epochs == epoch
            picked[here] = self._indices[self._order(epoch)[places[here]]]
        return picked
