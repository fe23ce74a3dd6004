"""Steps of the program beside the published method, written out plainly."""

import jax
import jax.numpy as jnp
import numpy as np

from configs import digits
from gan.check_config import Facts
from gan.setup import make_setup, make_step
from gan.train_step import example_keys, latents_at
from parallel.mesh import to_mesh

BATCH, STEPS = 6, 3
RATES = {"generator": 3e-4, "discriminator": 7e-4}


def _config():
    config = digits.get_config("smoke")
    config.dataset.num_labels = 1
    config.model.features = (8, 4)
    config.per_entry_batch_size = BATCH
    config.optimizer.generator_learning_rate = RATES["generator"]
    config.optimizer.discriminator_learning_rate = RATES["discriminator"]
    return config


def _doubled(x, kernel):
    """Transposed convolution, 4 x 4, stride 2, padding 1: pixels add their kernels."""
    n, y, x_size, _ = x.shape
    out = jnp.zeros((n, 2 * y + 2, 2 * x_size + 2, kernel.shape[2]))
    for a in range(4):
        for b in range(4):
            part = jnp.einsum("nyxs,cs->nyxc", x, kernel[a, b])
            out = out.at[:, a : a + 2 * y : 2, b : b + 2 * x_size : 2].add(part)
    return out[:, 1:-1, 1:-1]


def _halved(x, kernel):
    """Convolution, 4 x 4, stride 2, padding 1."""
    n, y, x_size, _ = x.shape
    padded = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    return sum(
        jnp.einsum(
            "nyxc,cs->nyxs",
            padded[:, a : a + y : 2, b : b + x_size : 2],
            kernel[a, b],
        )
        for a in range(4)
        for b in range(4)
    )


def _normalised(x, stage, stats):
    """Batch normalisation, and the running statistics after it."""
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    layer = stage["normalisation"]
    root = jnp.sqrt(var + 1e-5)[None, None, None]
    y = (x - mean[None, None, None]) / root
    y = y * layer["scale"][None, None, None] + layer["bias"][None, None, None]
    running = {
        "mean": 0.9 * stats["normalisation"]["mean"] + 0.1 * mean,
        "var": 0.9 * stats["normalisation"]["var"] + 0.1 * var,
    }
    return y, {"normalisation": running}


def _generate(params, stats, latents):
    x = jnp.einsum("nz,yxcz->nyxc", latents, params["stage_0"]["kernel"])
    x, first = _normalised(x, params["stage_0"], stats["stage_0"])
    x = _doubled(jnp.maximum(x, 0), params["stage_1"]["kernel"])
    x, second = _normalised(x, params["stage_1"], stats["stage_1"])
    x = _doubled(jnp.maximum(x, 0), params["stage_2"]["kernel"])
    return jnp.tanh(x), {"stage_0": first, "stage_1": second}


def _leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def _judge(params, stats, images):
    x = _leaky(_halved(images, params["stage_0"]["kernel"]))
    x = _halved(x, params["stage_1"]["kernel"])
    x, first = _normalised(x, params["stage_1"], stats["stage_1"])
    logits = jnp.einsum("nyxc,yxcd->n", _leaky(x), params["stage_2"]["kernel"])
    return logits, {"stage_1": first}


def _cross_entropy(logits, target):
    probability = 1 / (1 + jnp.exp(-logits))
    wanted = probability if target else 1 - probability
    return -jnp.log(wanted).mean()


def _adam(params, grads, moments, step, rate):
    first = jax.tree.map(lambda m, g: 0.5 * m + 0.5 * g, moments[0], grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, moments[1], grads)

    def moved(p, m, v):
        m, v = m / (1 - 0.5**step), v / (1 - 0.999**step)
        return p - rate * m / (jnp.sqrt(v) + 1e-8)

    return jax.tree.map(moved, params, first, second), (first, second)


class _Published:
    """One pair: fakes once; the generator, then the discriminator on the same fakes."""

    def __init__(self, state):
        one = jax.tree.map(lambda x: jnp.asarray(x[0]), state)
        self.params = {
            "generator": one.generator.params,
            "discriminator": one.discriminator.params,
        }
        self.stats = {
            "generator": one.generator.batch_stats,
            "discriminator": one.discriminator.batch_stats,
        }
        zeros = jax.tree.map(jnp.zeros_like, self.params)
        self.moments = {side: (zeros[side], zeros[side]) for side in zeros}
        self.ema = one.ema

    def step(self, number, images, latents):
        params, stats = self.params, self.stats

        def generator_loss(mine):
            fakes, after = _generate(mine, stats["generator"], latents)
            logits, judged = _judge(
                params["discriminator"], stats["discriminator"], fakes
            )
            return _cross_entropy(logits, True), (fakes, after, judged)

        grads, (fakes, after, judged) = jax.grad(generator_loss, has_aux=True)(
            params["generator"]
        )
        self._move("generator", grads, number)
        stats = {"generator": after, "discriminator": judged}

        def discriminator_loss(mine):
            real, then = _judge(mine, stats["discriminator"], images)
            fake, then = _judge(mine, then, fakes)
            loss = (_cross_entropy(real, True) + _cross_entropy(fake, False)) / 2
            return loss, then

        grads, judged = jax.grad(discriminator_loss, has_aux=True)(
            params["discriminator"]
        )
        self._move("discriminator", grads, number)
        self.stats = {**stats, "discriminator": judged}
        decay = min(0.999, number / (9 + number))
        self.ema = jax.tree.map(
            lambda e, p: decay * e + (1 - decay) * p, self.ema, self.params["generator"]
        )

    def _move(self, side, grads, number):
        moved = _adam(self.params[side], grads, self.moments[side], number, RATES[side])
        self.params = {**self.params, side: moved[0]}
        self.moments = {**self.moments, side: moved[1]}


def _assert_near(found, expected, atol):
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(np.asarray(a)[0], b, rtol=1e-4, atol=atol)


def test_steps_are_those_of_the_published_method():
    config = _config()
    setup = make_setup(config, Facts(1, 1), jax.devices()[:1])
    step, state = make_step(config, setup), setup.create_state()
    published = _Published(jax.device_get(state))
    for number in range(STEPS):
        pixels = np.random.default_rng(number).integers(0, 256, (BATCH, 16, 16, 1))
        example = jnp.arange(BATCH)
        keys = example_keys(
            setup.training_key, jnp.int32(number), jnp.int32(0), example
        )
        latents = latents_at(keys, 0, config.model.latent_size)
        published.step(
            number + 1, jnp.asarray(pixels / 127.5 - 1, jnp.float32), latents
        )
        batch = {
            "image": pixels.astype(np.uint8)[None, None],
            "label": np.zeros((1, 1, BATCH), np.int32),
            "example": np.arange(BATCH, dtype=np.int32)[None, None],
        }
        state, _ = step(state, to_mesh(batch, setup.batch_layout), setup.training_key)
    # Adam divides by the gradient's size, so a gradient of nearly nothing may move its
    # parameter by a share of the learning rate; a hundredth of it is allowed.
    for side, rate in RATES.items():
        network = getattr(state, side)
        _assert_near(network.params, published.params[side], rate / 100)
        _assert_near(network.batch_stats, published.stats[side], 1e-5)
    _assert_near(state.ema, published.ema, RATES["generator"] / 100)
