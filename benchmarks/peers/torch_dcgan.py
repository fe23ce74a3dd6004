"""The stock DC-GAN step in PyTorch, of one pair or of several, timed on request.

Several pairs take turns (--form=loop) or are stacked under torch.func.vmap
(--form=vmap), which keeps no running statistics: a little less work than ours. In the
forms compile and compile_vmap losses and their gradients go through torch.compile, once
for all pairs, for they are alike. Updates are PyTorch's fused ones in all forms.

Needs torch and nothing of this project.
"""

import argparse

import torch
from on_request import serve
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


def sizes(arguments):
    """Features by stage, layout in memory and side of an image."""
    features = [int(f) for f in arguments.features.split(",")]
    layout = torch.contiguous_format
    if arguments.channels_last:
        layout = torch.channels_last
    return features, layout, 4 * 2 ** len(features)


def adam(parameters):
    """Returns the optimizer of one network, or of a stack of them."""
    return torch.optim.Adam(parameters, 1e-4, (0.5, 0.999), fused=True)


def is_compiled(arguments):
    """Whether torch.compile is measured."""
    return arguments.form.startswith("compile")


def generator_loss(g, d, latents):
    """Returns the loss of a batch of fakes, and the fakes."""
    fakes = g(latents)
    return F.softplus(-d(fakes)).mean(), fakes


def discriminator_loss(d, real, fakes):
    """Returns the loss on a batch of real images and one of fakes."""
    return (F.softplus(-d(real)).mean() + F.softplus(d(fakes)).mean()) / 2


def make_step(arguments, g_loss, d_loss):
    """Returns a function that takes one training step of a pair, the work of ours."""
    features, layout, side = sizes(arguments)
    g = generator(features, arguments.channels, 100).to(memory_format=layout)
    d = discriminator(features, arguments.channels).to(memory_format=layout)
    optimize_g = adam(g.parameters())
    optimize_d = adam(d.parameters())
    average = [p.detach().clone() for p in g.parameters()]
    real = torch.rand(arguments.batch_size, arguments.channels, side, side) * 2 - 1
    real = real.to(memory_format=layout)

    def step():
        # The discriminator's own gradients are not wanted here, nor do we make them.
        d.requires_grad_(False)
        optimize_g.zero_grad(set_to_none=True)
        loss, fakes = g_loss(g, d, torch.randn(arguments.batch_size, 100, 1, 1))
        loss.backward()
        optimize_g.step()
        d.requires_grad_(True)
        optimize_d.zero_grad(set_to_none=True)
        d_loss(d, real, fakes.detach()).backward()
        optimize_d.step()
        torch._foreach_lerp_(average, [p.detach() for p in g.parameters()], 0.001)

    return step


def make_loop(arguments):
    """Returns a function that takes a step of every pair, one after the other."""
    losses = generator_loss, discriminator_loss
    if is_compiled(arguments):
        # Shapes stay: else the second function is compiled for any shape.
        losses = [torch.compile(loss, dynamic=False) for loss in losses]
    steps = [make_step(arguments, *losses) for _ in range(arguments.pairs)]

    def step():
        for one in steps:
            one()

    return step


def make_vmap(arguments):
    """Returns a function that takes a step of all pairs at once."""
    features, layout, side = sizes(arguments)

    def stacked(make):
        networks = [make().to(memory_format=layout) for _ in range(arguments.pairs)]
        for network in networks:
            for layer in network:
                if isinstance(layer, nn.BatchNorm2d):  # vmap cannot write into these
                    layer.running_mean = layer.running_var = None
                    layer.num_batches_tracked, layer.track_running_stats = None, False
        return networks[0], torch.func.stack_module_state(networks)[0]

    g, g_params = stacked(lambda: generator(features, arguments.channels, 100))
    d, d_params = stacked(lambda: discriminator(features, arguments.channels))
    optimize_g = adam(g_params.values())
    optimize_d = adam(d_params.values())
    average = [p.detach().clone() for p in g_params.values()]
    per_pair = (arguments.pairs, arguments.batch_size)
    real = torch.rand(*per_pair, arguments.channels, side, side) * 2 - 1

    def g_loss(g_own, d_own, latents):
        fakes = torch.func.functional_call(g, g_own, latents)
        return F.softplus(-torch.func.functional_call(d, d_own, fakes)).mean(), fakes

    def d_loss(d_own, reals, fakes):
        on_real, on_fake = (
            torch.func.functional_call(d, d_own, x) for x in (reals, fakes)
        )
        return (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()) / 2

    g_slopes = torch.func.vmap(torch.func.grad(g_loss, has_aux=True))
    d_slopes = torch.func.vmap(torch.func.grad(d_loss))
    if is_compiled(arguments):
        g_slopes = torch.compile(g_slopes, dynamic=False)
        d_slopes = torch.compile(d_slopes, dynamic=False)

    def update(optimizer, params, slopes):
        for name, param in params.items():
            param.grad = slopes[name]
        optimizer.step()

    def step():
        with torch.no_grad():
            detached = {n: p.detach() for n, p in d_params.items()}
            slopes, fakes = g_slopes(
                g_params, detached, torch.randn(*per_pair, 100, 1, 1)
            )
            update(optimize_g, g_params, slopes)
            update(optimize_d, d_params, d_slopes(d_params, real, fakes))
            torch._foreach_lerp_(
                average, [p.detach() for p in g_params.values()], 0.001
            )

    return step


FORMS = {
    "loop": make_loop,
    "vmap": make_vmap,
    "compile": make_loop,
    "compile_vmap": make_vmap,
}


def main():
    """Answers requests until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", default="512,256,128")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--form", choices=FORMS, default="loop")
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    step = FORMS[arguments.form](arguments)
    serve(step, torch.__version__, is_tried=is_compiled(arguments))


if __name__ == "__main__":
    main()
