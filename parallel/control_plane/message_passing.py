"""The collectives of the control plane, played message by message."""

from collections.abc import Callable, Sequence

import numpy as np

from parallel.control_plane.superstep import Ledger


def gather(ledger: Ledger, num_bytes: Sequence[int]) -> None:
    """Every rank sends its part to rank 0; the caller ends the superstep.

    Args:
      ledger: where it is counted.
      num_bytes: of each rank's part [ranks]; that of rank 0 is already there.
    """
    for rank in range(1, ledger.num_ranks):
        ledger.send(rank, 0, num_bytes[rank])


def broadcast(ledger: Ledger, num_bytes: int) -> None:
    """Rank 0 tells everybody, along a binomial tree."""
    informed = 1
    while informed < ledger.num_ranks:
        for source in range(min(informed, ledger.num_ranks - informed)):
            ledger.send(source, source + informed, num_bytes)
        ledger.end_superstep()
        informed *= 2


def all_reduce(
    ledger: Ledger,
    words: np.ndarray,
    combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Combines the words of all ranks at all ranks, by recursive doubling.

    The ranks beyond the largest power of two hand theirs to a partner first and
    are told the result last.

    Args:
      ledger: where it is counted.
      words: of every rank [ranks, words], uint64.
      combine: np.bitwise_and or np.bitwise_or.

    Returns:
      What every rank holds in the end [ranks, words].
    """
    words, num_ranks = words.copy(), len(words)
    num_bytes = words.shape[1] * words.itemsize
    paired = 1 << (num_ranks.bit_length() - 1)
    rest = num_ranks - paired
    for rank in range(rest):
        ledger.send(paired + rank, rank, num_bytes)
        words[rank] = combine(words[rank], words[paired + rank])
    if rest:
        ledger.end_superstep()
    distance = 1
    while distance < paired:
        partners = np.arange(paired) ^ distance
        for rank, partner in enumerate(partners):
            ledger.send(rank, int(partner), num_bytes)
        words[:paired] = combine(words[:paired], words[partners])
        ledger.end_superstep()
        distance *= 2
    for rank in range(rest):
        ledger.send(rank, paired + rank, num_bytes)
        words[paired + rank] = words[rank]
    if rest:
        ledger.end_superstep()
    return words
