"""The layers of the Inception-v3 of 2015 up to its last pool, as a table.

Names are those of the published TensorFlow graph.

Reference: Szegedy et al., 2015, arXiv:1512.00567.
"""

from collections.abc import Iterator
from typing import NamedTuple

AVERAGE, MAXIMUM, MAXIMUM_HALVING = "average", "maximum", "maximum, stride 2"


class Conv(NamedTuple):
    """A convolution, its bias and a ReLU.

    Attributes:
      name: of the layer.
      channels: of its output.
      window: (y, x) size of its kernel.
      stride: in both directions.
      padding: "SAME" or "VALID".
    """

    name: str
    channels: int
    window: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"


def _halving(name: str, channels: int) -> Conv:
    return Conv(name, channels, (3, 3), 2, "VALID")


# A block is a tuple of branches that are joined; a branch is a tuple of layers, one
# after the other. A tuple inside a branch is a fork at its end.
def _block_a(pooled: int):
    return (
        (Conv("conv", 64),),
        (Conv("tower.conv", 48), Conv("tower.conv_1", 64, (5, 5))),
        (
            Conv("tower_1.conv", 64),
            Conv("tower_1.conv_1", 96, (3, 3)),
            Conv("tower_1.conv_2", 96, (3, 3)),
        ),
        (AVERAGE, Conv("tower_2.conv", pooled)),
    )


_BLOCK_B = (
    (_halving("conv", 384),),
    (
        Conv("tower.conv", 64),
        Conv("tower.conv_1", 96, (3, 3)),
        _halving("tower.conv_2", 96),
    ),
    (MAXIMUM_HALVING,),
)


def _block_c(inner: int):
    return (
        (Conv("conv", 192),),
        (
            Conv("tower.conv", inner),
            Conv("tower.conv_1", inner, (1, 7)),
            Conv("tower.conv_2", 192, (7, 1)),
        ),
        (
            Conv("tower_1.conv", inner),
            Conv("tower_1.conv_1", inner, (7, 1)),
            Conv("tower_1.conv_2", inner, (1, 7)),
            Conv("tower_1.conv_3", inner, (7, 1)),
            Conv("tower_1.conv_4", 192, (1, 7)),
        ),
        (AVERAGE, Conv("tower_2.conv", 192)),
    )


_BLOCK_D = (
    (Conv("tower.conv", 192), _halving("tower.conv_1", 320)),
    (
        Conv("tower_1.conv", 192),
        Conv("tower_1.conv_1", 192, (1, 7)),
        Conv("tower_1.conv_2", 192, (7, 1)),
        _halving("tower_1.conv_3", 192),
    ),
    (MAXIMUM_HALVING,),
)


def _fork(name: str):
    return (Conv(name, 384, (1, 3)), Conv(f"{name}_1", 384, (3, 1)))


def _block_e(pool: str):
    return (
        (Conv("conv", 320),),
        (Conv("tower_conv", 384), _fork("tower_mixed_conv")),
        (
            Conv("tower_1_conv", 448),
            Conv("tower_1_conv_1", 384, (3, 3)),
            _fork("tower_1_mixed_conv"),
        ),
        (pool, Conv("tower_2_conv", 192)),
    )


STEM = (
    _halving("conv", 32),
    Conv("conv_1", 32, (3, 3), padding="VALID"),
    Conv("conv_2", 64, (3, 3)),
    MAXIMUM_HALVING,
    Conv("conv_3", 80),
    Conv("conv_4", 192, (3, 3), padding="VALID"),
    MAXIMUM_HALVING,
)

BLOCKS = {
    "mixed": _block_a(32),
    "mixed_1": _block_a(64),
    "mixed_2": _block_a(64),
    "mixed_3": _BLOCK_B,
    "mixed_4": _block_c(128),
    "mixed_5": _block_c(160),
    "mixed_6": _block_c(160),
    "mixed_7": _block_c(192),
    "mixed_8": _BLOCK_D,
    "mixed_9": _block_e(AVERAGE),
    # The published graph has a maximum here, unlike the paper.
    "mixed_10": _block_e(MAXIMUM),
}


def width(branch: tuple, channels: int) -> int:
    """Channels of the output of a branch whose input has `channels`."""
    for layer in branch:
        if isinstance(layer, Conv):
            channels = layer.channels
        elif isinstance(layer, tuple):
            channels = sum(conv.channels for conv in layer)
    return channels


def _kernels(branch: tuple, prefix: str, channels: int) -> Iterator[tuple[str, tuple]]:
    for layer in branch:
        if isinstance(layer, Conv):
            yield prefix + layer.name, (*layer.window, channels, layer.channels)
            channels = layer.channels
        elif isinstance(layer, tuple):
            for conv in layer:
                yield from _kernels((conv,), prefix, channels)


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Shape (y, x, in, out) of every convolution's kernel, under its name."""
    shapes = dict(_kernels(STEM, "", 3))
    channels = width(STEM, 3)
    for name, block in BLOCKS.items():
        for branch in block:
            shapes |= _kernels(branch, f"{name}.", channels)
        channels = sum(width(branch, channels) for branch in block)
    return shapes
