"""Fashion-MNIST, one generator per kind of clothing."""

import ml_collections

from configs import mnist


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """Fashion-MNIST, in the variants of MNIST.

    python main.py --config=configs/fashion_mnist.py:tuned --workdir=runs/fashion
    """
    config = mnist.get_config(variant)
    config.dataset.name = "fashion_mnist"
    return config
