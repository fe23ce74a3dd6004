"""Counts what ranks send and handle, superstep by superstep."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ControlCost:
    """What control messages cost between the hosts of the ranks.

    Attributes:
      latency_seconds: from the sending of a message to its arrival.
      bytes_per_second: at which one rank receives.
      record_seconds: in which one rank handles one request record.
    """

    latency_seconds: float
    bytes_per_second: float
    record_seconds: float

    def superstep(
        self, num_bytes: float | np.ndarray, records: float | np.ndarray = 0
    ) -> float | np.ndarray:
        """Seconds of one superstep at a rank that receives and handles this much."""
        return (
            self.latency_seconds
            + num_bytes / self.bytes_per_second
            + records * self.record_seconds
        )


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What a protocol costs in one training step.

    Attributes:
      cycles: rounds of negotiation.
      messages: sent by all ranks together.
      num_bytes: in these messages.
      busiest_messages: received by the rank that receives most.
      busiest_records: request records handled, one after the other, by the rank that
        handles most.
      seconds: all supersteps, one after the other.
    """

    cycles: int = 0
    messages: int = 0
    num_bytes: int = 0
    busiest_messages: int = 0
    busiest_records: int = 0
    seconds: float = 0.0


class Ledger:
    """Keeps count while a protocol is played by simulated ranks.

    A superstep lasts as long as at its slowest rank: the latency if that receives
    anything, the time to receive its bytes, and the time to handle its records
    (bulk-synchronous parallel model, Valiant 1990).
    """

    def __init__(self, num_ranks: int, cost: ControlCost):
        """Opens the books of `num_ranks` ranks."""
        self.num_ranks = num_ranks
        self._cost = cost
        self._cycles, self._bytes, self._seconds = 0, 0, 0.0
        self._messages = np.zeros(num_ranks, np.int64)
        self._records = np.zeros(num_ranks, np.int64)
        self._forget_superstep()

    def _forget_superstep(self) -> None:
        self._received = np.zeros(self.num_ranks, np.int64)
        self._received_bytes = np.zeros(self.num_ranks, np.int64)
        self._handled = np.zeros(self.num_ranks, np.int64)

    def send(self, source: int, target: int, num_bytes: int) -> None:
        """One message between two ranks, which arrives in this superstep."""
        if source == target:
            raise ValueError(f"rank {source} sends to itself.")
        self._received[target] += 1
        self._received_bytes[target] += num_bytes

    def handle(self, rank: int, records: int) -> None:
        """A rank looks at request records, its own or those just received."""
        self._handled[rank] += records

    def end_superstep(self) -> None:
        """All that was sent has arrived and is handled."""
        seconds = (
            (self._received > 0) * self._cost.latency_seconds
            + self._received_bytes / self._cost.bytes_per_second
            + self._handled * self._cost.record_seconds
        )
        self._seconds += float(seconds.max())
        self._messages += self._received
        self._bytes += int(self._received_bytes.sum())
        self._records += self._handled
        self._forget_superstep()

    def end_cycle(self) -> None:
        """One round of negotiation is over."""
        self._cycles += 1

    def traffic(self) -> Traffic:
        """Everything since the books were opened."""
        return Traffic(
            cycles=self._cycles,
            messages=int(self._messages.sum()),
            num_bytes=self._bytes,
            busiest_messages=int(self._messages.max()),
            busiest_records=int(self._records.max()),
            seconds=self._seconds,
        )
