"""The stock DC-GAN step in PyTorch, timed on request.

Reads a number of steps per line from standard input, takes so many steps and answers
with the seconds that they took. Needs torch and nothing of this project.
"""

import argparse
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def generator(features, channels, latent_size):
    """The layers of gan.models.Generator."""
    layers = [
        nn.ConvTranspose2d(latent_size, features[0], 4, 1, 0, bias=False),
        nn.BatchNorm2d(features[0]),
        nn.ReLU(True),
    ]
    for i, fan_in in enumerate(features):
        last = i == len(features) - 1
        fan_out = channels if last else features[i + 1]
        layers.append(nn.ConvTranspose2d(fan_in, fan_out, 4, 2, 1, bias=False))
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(fan_out), nn.ReLU(True)]
    return nn.Sequential(*layers)


def discriminator(features, channels):
    """The layers of gan.models.Discriminator."""
    layers, fan_in = [], channels
    for i, fan_out in enumerate(reversed(features)):
        layers.append(nn.Conv2d(fan_in, fan_out, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(fan_out)] if i else []
        layers.append(nn.LeakyReLU(0.2, True))
        fan_in = fan_out
    return nn.Sequential(*layers, nn.Conv2d(fan_in, 1, 4, 1, 0, bias=False))


def make_step(arguments):
    """Returns a function that takes one training step, the work of ours."""
    features = [int(f) for f in arguments.features.split(",")]
    layout = torch.contiguous_format
    if arguments.channels_last:
        layout = torch.channels_last
    g = generator(features, arguments.channels, 100).to(memory_format=layout)
    d = discriminator(features, arguments.channels).to(memory_format=layout)
    optimize_g = torch.optim.Adam(g.parameters(), 1e-4, (0.5, 0.999))
    optimize_d = torch.optim.Adam(d.parameters(), 1e-4, (0.5, 0.999))
    average = [p.detach().clone() for p in g.parameters()]
    side = 4 * 2 ** len(features)
    real = torch.rand(arguments.batch_size, arguments.channels, side, side) * 2 - 1
    real = real.to(memory_format=layout)

    def step():
        fakes = g(torch.randn(arguments.batch_size, 100, 1, 1))
        # The discriminator's own gradients are not wanted here, nor do we make them.
        d.requires_grad_(False)
        optimize_g.zero_grad(set_to_none=True)
        F.softplus(-d(fakes)).mean().backward()
        optimize_g.step()
        d.requires_grad_(True)
        optimize_d.zero_grad(set_to_none=True)
        loss = F.softplus(-d(real)).mean()
        loss = loss + F.softplus(d(fakes.detach())).mean()
        (loss / 2).backward()
        optimize_d.step()
        torch._foreach_lerp_(average, [p.detach() for p in g.parameters()], 0.001)

    return step


def main():
    """Answers requests until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", default="512,256,128")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    step = make_step(arguments)
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
