"""The fully convolutional DenseNet in PyTorch, forward and backward on request.

The network goes through torch.compile with --form=compile. Needs torch and nothing of
this project.
"""

import argparse
import sys

import torch
from on_request import serve
from torch import nn
from torch.nn import functional as F


class DenseBlock(nn.Module):
    """Layers that each see the outputs of all before them."""

    def __init__(self, layers, fan_in, growth, size):
        """Creates the kernels."""
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(fan_in + i * growth, growth, size, padding="same", bias=False)
            for i in range(layers)
        )

    def forward(self, x):
        """Returns (x and all outputs, the outputs alone)."""
        outputs = []
        for layer in self.layers:
            outputs.append(layer(F.relu(torch.cat([x, *outputs], 1))))
        new = torch.cat(outputs, 1)
        return torch.cat([x, new], 1), new


class FCDenseNet(nn.Module):
    """The layers of inverse.models.FCDenseNet, upsampled by 2 x 2 deconvolutions."""

    def __init__(self, channels, growth, size, down, bottleneck, up):
        """Creates the layers."""
        super().__init__()
        self.first = nn.Conv2d(channels, growth, size, padding="same")
        self.blocks_down, self.norms, self.mixes = (nn.ModuleList() for _ in range(3))
        width, skips = growth, []
        for layers in down:
            self.blocks_down.append(DenseBlock(layers, width, growth, size))
            width += layers * growth
            skips.append(width)
            self.norms.append(nn.BatchNorm2d(width))
            self.mixes.append(nn.Conv2d(width, width, 1, bias=False))
        self.bottleneck = DenseBlock(bottleneck, width, growth, size)
        self.ups, self.blocks_up = nn.ModuleList(), nn.ModuleList()
        new = bottleneck * growth
        for layers in up:
            self.ups.append(nn.ConvTranspose2d(new, new, 2, 2, bias=False))
            width = new + skips.pop()
            self.blocks_up.append(DenseBlock(layers, width, growth, size))
            width, new = width + layers * growth, layers * growth
        self.last = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, x):
        """Maps [n, c, y, x] to [n, y, x]."""
        x, skips = F.relu(self.first(x)), []
        for block, norm, mix in zip(
            self.blocks_down, self.norms, self.mixes, strict=True
        ):
            x, _ = block(x)
            skips.append(x)
            x = F.avg_pool2d(mix(F.relu(norm(x))), 2)
        _, new = self.bottleneck(x)
        for up, block in zip(self.ups, self.blocks_up, strict=True):
            x, new = block(torch.cat([up(new), skips.pop()], 1))
        return self.last(x)[:, 0]


def make_step(arguments):
    """Returns a function that does one forward and backward pass."""
    down, up = (
        [int(n) for n in text.split(",")] for text in (arguments.down, arguments.up)
    )
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, arguments.dtype)
    network = FCDenseNet(
        arguments.channels,
        arguments.growth,
        arguments.kernel_size,
        down,
        arguments.bottleneck,
        up,
    ).to(device, memory_format=layout)
    print(sum(p.numel() for p in network.parameters()), file=sys.stderr)
    called = torch.compile(network) if arguments.form == "compile" else network
    n, side = arguments.batch_size, arguments.side
    patterns = torch.rand(n, arguments.channels, side, side, device=device)
    patterns = patterns.to(memory_format=layout)
    density = torch.rand(n, side, side, device=device)

    def step():
        network.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = (called(patterns) - density).abs().mean()
        loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def main():
    """Answers requests until standard input ends."""
    parser = argparse.ArgumentParser()
    for name in (
        "channels",
        "growth",
        "kernel_size",
        "bottleneck",
        "batch_size",
        "side",
    ):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--down", required=True)
    parser.add_argument("--up", required=True)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument("--form", choices=("eager", "compile"), default="eager")
    arguments = parser.parse_args()
    step = make_step(arguments)
    serve(step, torch.__version__, is_tried=arguments.form == "compile")


if __name__ == "__main__":
    main()
