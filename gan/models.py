"""The DC-GAN's generator and discriminator.

Layers, initial values and orders follow the stock DC-GAN that "Scalable Balanced
Training of Conditional Generative Adversarial Neural Networks on Image Data"
(arXiv:2102.10485) trains once per label: 4x4 kernels without biases, batch
normalisation, ReLU in the generator, LeakyReLU 0.2 in the discriminator.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from gan.convolution import KERNEL_SIZE, double, halve

SMALLEST_SIZE = 4  # side of the image that the latent becomes [pixels]
LEAK = 0.2

_kernel_init = nnx.initializers.normal(0.02)


def _scale_init(key, shape, dtype=jnp.float32):
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


def image_size_of(features: tuple[int, ...]) -> int:
    """Side [pixels] of the images that a net with these stages makes or judges."""
    return SMALLEST_SIZE * 2 ** len(features)


def _normalisation(kind: str, num_features: int, axis_name: str | None, dtype, rngs):
    """Makes the layer called `kind`: "batch", "layer" or "none"."""
    if kind == "batch":
        return nnx.BatchNorm(
            num_features,
            momentum=0.9,
            epsilon=1e-5,
            dtype=dtype,
            scale_init=_scale_init,
            axis_name=axis_name,
            rngs=rngs,
        )
    if kind == "layer":
        return nnx.LayerNorm(
            num_features,
            epsilon=1e-5,
            dtype=dtype,
            reduction_axes=(1, 2, 3),
            rngs=rngs,
        )
    if kind == "none":
        return None
    raise ValueError(f'normalisation must be "batch", "layer" or "none", got {kind!r}.')


class _Stage(nnx.Module):
    """A strided kernel and the normalisation that follows it."""

    def __init__(self, larger, smaller, normalisation, *, rngs):
        shape = (KERNEL_SIZE, KERNEL_SIZE, larger, smaller)
        self.kernel = nnx.Param(_kernel_init(rngs.params(), shape))
        self.normalisation = normalisation

    def normalise(self, x: jax.Array, train: bool) -> jax.Array:
        if isinstance(self.normalisation, nnx.BatchNorm):
            return self.normalisation(x, use_running_average=not train)
        return x if self.normalisation is None else self.normalisation(x)


class Generator(nnx.Module):
    """Latents to images.

    Attributes:
      features: channels after each stage, from the smallest image to the largest;
        (512, 256, 128, 64) is the published net for 64 x 64 images.
    """

    def __init__(
        self,
        *,
        features: tuple[int, ...],
        channels: int,
        latent_size: int,
        num_classes: int = 0,
        axis_name: str | None = None,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          features: see the class.
          channels: channels of the images, 1 or 3.
          latent_size: length of a latent.
          num_classes: 0 for an unconditional net; otherwise the one-hot class is
            joined to the latent (conditional DC-GAN, arXiv:1411.1784).
          axis_name: mesh axis over which batch statistics are shared.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        self.num_classes = num_classes
        self.dtype = dtype
        outputs = (*features, channels)
        inputs = (latent_size + num_classes, *features)
        self.num_stages = len(outputs)
        for i, (fan_out, fan_in) in enumerate(zip(outputs, inputs, strict=True)):
            kind = "none" if i == len(features) else "batch"
            layer = _normalisation(kind, fan_out, axis_name, dtype, rngs)
            setattr(self, f"stage_{i}", _Stage(fan_out, fan_in, layer, rngs=rngs))

    def __call__(self, latents: jax.Array, classes: jax.Array, *, train: bool):
        """Makes one image per latent.

        Args:
          latents: [n, latent_size], standard normal.
          classes: [n] integers; ignored by an unconditional net.
          train: batch statistics if true (and the running ones are updated),
            running statistics if false.

        Returns:
          Images [n, y, x, channels] in [-1, 1], float32.
        """
        if self.num_classes:
            one_hot = jax.nn.one_hot(classes, self.num_classes, dtype=latents.dtype)
            latents = jnp.concatenate([latents, one_hot], axis=-1)
        x = latents.astype(self.dtype)
        for i in range(self.num_stages):
            stage = getattr(self, f"stage_{i}")
            kernel = stage.kernel[...].astype(self.dtype)
            x = double(x, kernel) if i else jnp.einsum("nz,yxcz->nyxc", x, kernel)
            if i < self.num_stages - 1:
                x = nnx.relu(stage.normalise(x, train))
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nnx.Module):
    """Images to logits: positive for "real"."""

    def __init__(
        self,
        *,
        features: tuple[int, ...],
        channels: int,
        num_classes: int = 0,
        normalisation: str = "batch",
        axis_name: str | None = None,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          features: of the generator; the discriminator's stages are its mirror image.
          channels: channels of the images, 1 or 3.
          num_classes: 0 for an unconditional net; otherwise the logit gains the
            inner product of the class's vector and the image's features
            (projection discriminator, arXiv:1802.05637).
          normalisation: of all stages but the first: "batch", "layer" or "none".
          axis_name: mesh axis over which batch statistics are shared.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        self.num_classes = num_classes
        self.dtype = dtype
        outputs = (*reversed(features), 1)
        inputs = (channels, *reversed(features))
        self.num_stages = len(outputs)
        for i, (fan_in, fan_out) in enumerate(zip(inputs, outputs, strict=True)):
            kind = normalisation if 0 < i < len(features) else "none"
            layer = _normalisation(kind, fan_out, axis_name, dtype, rngs)
            setattr(self, f"stage_{i}", _Stage(fan_in, fan_out, layer, rngs=rngs))
        if num_classes:
            shape = (num_classes, features[0])
            self.class_vectors = nnx.Param(_kernel_init(rngs.params(), shape))

    def __call__(self, images: jax.Array, classes: jax.Array, *, train: bool):
        """Judges every image.

        Args:
          images: [n, y, x, channels] in [-1, 1].
          classes: [n] integers; ignored by an unconditional net.
          train: batch statistics if true, running statistics if false.

        Returns:
          Logits [n], float32.
        """
        x = images.astype(self.dtype)
        for i in range(self.num_stages - 1):
            stage = getattr(self, f"stage_{i}")
            x = halve(x, stage.kernel[...].astype(self.dtype))
            x = nnx.leaky_relu(stage.normalise(x, train), LEAK)
        last = getattr(self, f"stage_{self.num_stages - 1}").kernel[...]
        logits = jnp.einsum("nyxc,yxcd->n", x, last.astype(self.dtype))
        if self.num_classes:
            one_hot = jax.nn.one_hot(classes, self.num_classes, dtype=self.dtype)
            vectors = one_hot @ self.class_vectors[...].astype(self.dtype)
            logits = logits + jnp.einsum("nyxc,nc->n", x, vectors)
        return logits.astype(jnp.float32)
