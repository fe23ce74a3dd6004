"""A small convolutional classifier for small images."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

_SMALLEST_SIZE = 4  # side of the last feature map, about [pixels]
_init = nnx.initializers.he_normal()


def num_stages(image_size: int) -> int:
    """How often an image of that side [pixels] is halved."""
    stages = 1
    while image_size > _SMALLEST_SIZE * 2**stages:
        stages += 1
    return stages


class Classifier(nnx.Module):
    """Images to features to logits: strided 3x3 convolutions and two dense layers."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        width: int,
        num_features: int,
        *,
        rngs: nnx.Rngs,
    ):
        """Creates the parameters.

        Args:
          image_shape: (y, x, c), y = x from 8 to 64 or so.
          num_classes: number of classes.
          width: channels after the first stage; they double, at most twice.
          num_features: length of the features.
          rngs: source of the initial values.
        """
        size, channels = image_shape[0], image_shape[2]
        self.stages = num_stages(size)
        for i in range(self.stages):
            wider = width * 2 ** min(i, 2)
            kernel = _init(rngs.params(), (5 if i == 0 else 3,) * 2 + (channels, wider))
            setattr(self, f"kernel_{i}", nnx.Param(kernel))
            setattr(self, f"bias_{i}", nnx.Param(jnp.zeros(wider)))
            channels, size = wider, -(-size // 2)
        self.features = nnx.Linear(
            size * size * channels, num_features, kernel_init=_init, rngs=rngs
        )
        self.logits = nnx.Linear(num_features, num_classes, rngs=rngs)

    def features_of(self, images: jax.Array) -> jax.Array:
        """Maps pixels [n, y, x, c] in 0..255 to features [n, num_features]."""
        x = images.astype(jnp.float32) / 127.5 - 1
        for i in range(self.stages):
            x = lax.conv_general_dilated(
                x,
                getattr(self, f"kernel_{i}")[...],
                window_strides=(2, 2),
                padding="SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            x = nnx.relu(x + getattr(self, f"bias_{i}")[...][None, None, None, :])
        return nnx.relu(self.features(x.reshape(len(x), -1)))

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps pixels [n, y, x, c] in 0..255 to logits [n, num_classes]."""
        return self.logits(self.features_of(images))
