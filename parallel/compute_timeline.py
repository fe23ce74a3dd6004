"""When the gradients of a step are ready, and how large they are."""

import dataclasses
import itertools
from collections.abc import Sequence

# arXiv:1909.11150's network in backward order: block, MB in fp16, backward TFLOP,
# one pair per sized tensor.
_FC_DENSENET = (
    ("CONV_FIN", (0.003,), (0.0,)),
    ("DB_6", (13.1,), (6.87,)),
    ("TU_2", (0.5,), (0.07,)),
    ("DB_5", (29.5, 26.2), (3.87, 3.44)),
    ("TU_1", (2.1,), (0.07,)),
    ("DB_4", (45.9, 42.6, 39.3, 36.0), (1.50, 1.40, 1.29, 1.18)),
    ("TU_0", (1.2,), (0.01,)),
    ("DB_3", (32.8, 29.5, 26.2), (0.27, 0.24, 0.21)),
    ("TD_2", (8.4,), (0.27,)),
    ("DB_2", (22.9, 19.7, 16.4, 13.1), (0.75, 0.64, 0.54, 0.43)),
    ("TD_1", (2.1,), (0.27,)),
    ("DB_1", (9.8, 6.6), (1.29, 0.86)),
    ("TD_0", (0.5,), (0.27,)),
    ("DB_0", (3.3,), (1.72,)),
    ("CONV_INIT", (13.1,), (6.87,)),
)


@dataclasses.dataclass(frozen=True)
class ReadyGradient:
    """One gradient, or several that travel together.

    Attributes:
      block: of the network.
      ready: share of the step's compute that is done when it is there.
      num_bytes: on the wire.
    """

    block: str
    ready: float
    num_bytes: float


Timeline = tuple[ReadyGradient, ...]


def fc_densenet(forward_share: float) -> Timeline:
    """The published network's gradients in backward order.

    The source sizes 25 of its 32 tensors; those that it does not size have no bytes
    here, and take part in the negotiation only.

    Args:
      forward_share: of the step's compute; compute goes on at one rate.
    """
    tensors = [
        (block, 1e6 * megabytes, teraflop)
        for block, sizes, work in _FC_DENSENET
        for megabytes, teraflop in zip(sizes, work, strict=True)
    ]
    done = list(itertools.accumulate(teraflop for _, _, teraflop in tensors))
    return tuple(
        ReadyGradient(block, forward_share + (1 - forward_share) * d / done[-1], size)
        for (block, size, _), d in zip(tensors, done, strict=True)
    )


def together(gradients: Sequence[ReadyGradient]) -> ReadyGradient:
    """One group: there when its last member is."""
    return ReadyGradient(
        gradients[0].block,
        max(gradient.ready for gradient in gradients),
        sum(gradient.num_bytes for gradient in gradients),
    )


def by_block(timeline: Timeline) -> Timeline:
    """One group per run of gradients of one block."""
    runs = itertools.groupby(timeline, key=lambda gradient: gradient.block)
    return tuple(together(list(gradients)) for _, gradients in runs)


def in_buckets(timeline: Timeline, first_bytes: float, bytes_: float) -> Timeline:
    """Buckets that close when they are full, the first one small."""
    buckets, filled, bound = [[]], 0.0, first_bytes
    for gradient in timeline:
        if filled >= bound:
            buckets.append([])
            filled, bound = 0.0, bytes_
        buckets[-1].append(gradient)
        filled += gradient.num_bytes
    return tuple(map(together, buckets))
