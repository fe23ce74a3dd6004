"""The four protocols beside each other, at the published sizes."""

import dataclasses
import functools
import math
from collections.abc import Sequence

from parallel.control_plane import counts
from parallel.control_plane.readiness import jittered
from parallel.control_plane.records import REQUEST, Tensor
from parallel.control_plane.response_cache import WORD_BYTES, num_words
from parallel.control_plane.superstep import Traffic
from parallel.scaling_assumptions import Assumptions

NUM_RANKS = (6, 96, 384, 1_536, 6_000, 27_600)
NUM_TENSORS = (32, 161)  # the FC-DenseNet's and ResNet-50's
GRADIENT_BYTES = 441e6  # of the FC-DenseNet on the wire
_ITEMSIZE = 2  # float16


@dataclasses.dataclass(frozen=True)
class Row:
    """One protocol at one size.

    Attributes:
      num_ranks: that negotiate.
      num_tensors: that they negotiate about.
      protocol: its name.
      word_bytes: of one rank's bitvector, 0 for the other protocols.
      traffic: of one step, all tensors cached.
    """

    num_ranks: int
    num_tensors: int
    protocol: str
    word_bytes: int
    traffic: Traffic


def compare(
    num_ranks: int, num_tensors: int, assumptions: Assumptions | None = None
) -> list[Row]:
    """One step of every protocol, each at its own cycle, with jittered readiness.

    Args:
      num_ranks: that negotiate.
      num_tensors: equally large parts of the published network's gradients; their
        sizes decide what is fused and nothing else.
      assumptions: of machine and runs. Every tensor at every rank has its jitter.
    """
    a = assumptions or Assumptions()
    elements = math.ceil(GRADIENT_BYTES / _ITEMSIZE / num_tensors)
    tensors = [Tensor(f"gradient_{i}", (elements,)) for i in range(num_tensors)]
    ready = functools.partial(
        jittered, num_ranks, num_tensors, jitter=a.jitter, first=a.forward_share, seed=0
    )
    slow = ready(num_cycles=a.compute_seconds / a.coordinator_cycle_seconds)
    fast = ready(num_cycles=a.compute_seconds / a.bitvector_cycle_seconds)
    fused = {"fusion_bytes": a.coordinator_fusion_bytes}
    _, coordinator = counts.coordinator(tensors, slow, a.control_cost, **fused)
    _, tree = counts.request_tree(
        tensors, slow, a.control_cost, arity=a.tree_arity, **fused
    )
    _, bitvector = counts.cached_bitvector(
        tensors,
        fast,
        a.control_cost,
        fusion_bytes=a.bitvector_fusion_bytes,
        cached=range(num_tensors),
    )
    word_bytes = WORD_BYTES * num_words(num_tensors)
    return [
        Row(num_ranks, num_tensors, "coordinator", 0, coordinator),
        Row(num_ranks, num_tensors, "tree", 0, tree),
        Row(num_ranks, num_tensors, "bitvector", word_bytes, bitvector),
        Row(num_ranks, num_tensors, "static plan", 0, Traffic()),
    ]


def compare_all(
    num_ranks: Sequence[int] = NUM_RANKS, num_tensors: Sequence[int] = NUM_TENSORS
) -> list[Row]:
    """Every protocol at every size."""
    return [row for t in num_tensors for n in num_ranks for row in compare(n, t)]


def table(rows: Sequence[Row]) -> str:
    """Prints one line per protocol and size, of one training step."""
    record_seconds = Assumptions().record_seconds
    lines = [
        f"{'':62s}      at the busiest rank",
        "tensors   ranks  protocol     cycles     messages        bytes  word"
        "    messages     records  latency [ms]",
    ]
    for row in rows:
        t = row.traffic
        lines.append(
            f"{row.num_tensors:7d} {row.num_ranks:7,d}  {row.protocol:11s} "
            f"{t.cycles:7d} {t.messages:12,d} {_shown(t.num_bytes):>12s} "
            f"{row.word_bytes:5d} {t.busiest_messages:11,d} "
            f"{t.busiest_records:11,d} {1e3 * t.seconds:13.3f}"
        )
    lines.append(
        f"A request is a record of {REQUEST.itemsize} bytes, our layout of the "
        f"published fields; records cost {1e6 * record_seconds:.2f} us each."
    )
    return "\n".join(lines)


def _shown(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.4g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.4g} GB"
