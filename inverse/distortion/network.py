"""Networks from a micrograph to distortions: over all pixels, and of one crop."""

import jax
import jax.numpy as jnp
from flax import nnx

_STRIDE = 4
# Predicted standard deviations, of standardised targets, lie within e^-6 and e^6.
_LOG_VARIANCE_BOUND = 12.0


def _convolution(fan_in, fan_out, *, stride=1, dilation=1, repeats=True, dtype, rngs):
    return nnx.Conv(
        fan_in,
        fan_out,
        (3, 3),
        strides=stride,
        kernel_dilation=dilation,
        padding="CIRCULAR" if repeats else "SAME",
        dtype=dtype,
        rngs=rngs,
    )


class ResidualBlock(nnx.Module):
    """Two convolutions beside the identity; the first sees far."""

    def __init__(self, features: int, dilation: int, *, dtype, rngs: nnx.Rngs):
        """Creates the layers; norms are per pixel, so that size does not matter."""
        self.norm = nnx.LayerNorm(features, dtype=dtype, rngs=rngs)
        self.far = _convolution(
            features, features, dilation=dilation, dtype=dtype, rngs=rngs
        )
        self.near = _convolution(features, features, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [n, y, x, features] to the same."""
        return x + self.near(nnx.gelu(self.far(self.norm(x))))


class DistortionNetwork(nnx.Module):
    """Images of any size to a mean and a log-variance of every target at every pixel.

    Two halvings, residual blocks that look further and further, two doublings that
    join what was seen on the way down.
    """

    def __init__(
        self,
        *,
        detectors: int,
        targets: int,
        features: int = 64,
        dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4),
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          detectors: channels of the image.
          targets: channels to predict, standardised.
          features: channels at a quarter of the side; half of them before.
          dilations: of the residual blocks, at a quarter of the side.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        half = features // 2
        layer = {"dtype": dtype, "rngs": rngs}
        self.dtype = dtype
        self.num_blocks = len(dilations)
        self.full = _convolution(detectors, half, **layer)
        self.down_1 = _convolution(half, half, stride=2, **layer)
        self.down_2 = _convolution(half, features, stride=2, **layer)
        for number, dilation in enumerate(dilations):
            setattr(self, f"block_{number}", ResidualBlock(features, dilation, **layer))
        self.up_2 = _convolution(features + half, half, **layer)
        self.up_1 = _convolution(2 * half, half, **layer)
        # Zero: before training every prediction is the mean, with its spread.
        self.head = nnx.Conv(
            half,
            2 * targets,
            (1, 1),
            kernel_init=nnx.initializers.zeros,
            rngs=rngs,
        )

    def __call__(
        self, image: jax.Array, *, train: bool = False, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Predicts.

        Args:
          image: [n, y, x, detector], which repeats.
          train: changes nothing here.
          keys: neither do they: nothing is dropped.

        Returns:
          mean and log-variance [n, y, x, target], float32, of standardised targets.
        """
        del train, keys
        height, width = image.shape[1:3]
        spare = [(0, 0), (0, -height % _STRIDE), (0, -width % _STRIDE), (0, 0)]
        image = jnp.pad(image, spare, mode="wrap").astype(self.dtype)
        full = nnx.gelu(self.full(image))
        middle = nnx.gelu(self.down_1(full))
        x = self.down_2(middle)
        for number in range(self.num_blocks):
            x = getattr(self, f"block_{number}")(x)
        x = nnx.gelu(self.up_2(jnp.concatenate([_doubled(x), middle], axis=-1)))
        x = nnx.gelu(self.up_1(jnp.concatenate([_doubled(x), full], axis=-1)))
        out = self.head(x.astype(jnp.float32))[:, :height, :width]
        mean, raw = jnp.split(out, 2, axis=-1)
        bound = _LOG_VARIANCE_BOUND
        return mean, bound * jnp.tanh(raw / bound)


def _doubled(x: jax.Array) -> jax.Array:
    """Repeats every pixel of [n, y, x, c] 2 x 2."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


class CropNetwork(nnx.Module):
    """The published form: one answer per crop, three angles or 27 classes.

    Stages of convolutions with batch normalisation, halved by maxima, as in VGG
    (arXiv:1902.06876 and its authors' code); the mean over what is left replaces the
    dense layers, which would fix the size of the crop.
    """

    def __init__(
        self,
        *,
        detectors: int,
        outputs: int,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        layers: tuple[int, ...] = (2, 2, 3, 3, 3),
        axis_name: str | None = None,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters; the defaults are VGG-16's.

        Args:
          detectors: channels of the image.
          outputs: 3 for angles, 27 for the logits of classes.
          widths: channels of each stage.
          layers: convolutions of each stage.
          axis_name: mesh axis over which batch statistics are shared.
          dtype: of the computation; parameters are float32.
          rngs: source of the initial values.
        """
        if len(widths) != len(layers):
            raise ValueError(f"{widths=} and {layers=} differ in length.")
        self.dtype, self.layers, fan_in = dtype, layers, detectors
        for stage, (width, depth) in enumerate(zip(widths, layers, strict=True)):
            for number in range(depth):
                name = f"{stage}_{number}"
                convolution = _convolution(
                    fan_in, width, repeats=False, dtype=dtype, rngs=rngs
                )
                norm = nnx.BatchNorm(
                    width, momentum=0.9, dtype=dtype, axis_name=axis_name, rngs=rngs
                )
                setattr(self, f"convolution_{name}", convolution)
                setattr(self, f"norm_{name}", norm)
                fan_in = width
        self.head = nnx.Linear(fan_in, outputs, rngs=rngs)

    def __call__(
        self, image: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> jax.Array:
        """Maps images [n, y, x, detector] to [n, output], float32."""
        del keys
        x = image.astype(self.dtype)
        for stage, depth in enumerate(self.layers):
            for number in range(depth):
                x = getattr(self, f"convolution_{stage}_{number}")(x)
                norm = getattr(self, f"norm_{stage}_{number}")
                x = nnx.relu(norm(x, use_running_average=not train))
            x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        return self.head(x.mean(axis=(1, 2)).astype(jnp.float32))
