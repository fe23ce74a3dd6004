"""CIFAR-100, one generator per class."""

import ml_collections

from configs import cifar10


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """CIFAR-100, one generator per class, in the variants of CIFAR-10.

    A class has 500 images, a tenth of CIFAR-10's: the same epochs would be a tenth
    of the steps; here it is a fifth of them. The baselines' compute is again that of
    all pairs together.

    python main.py --config=configs/cifar100.py --workdir=runs/cifar100
    """
    config = cifar10.get_config(variant)
    config.dataset.name = "cifar100"
    config.dataset.num_labels = 100
    if variant == "paper":
        config.num_steps = 2000
    elif variant in ("tuned", "wasserstein"):
        config.num_steps = 8000
    elif variant in ("single", "conditional"):
        config.num_steps = 800_000
        config.log_every_steps = 10_000
        config.sample_every_steps = 40_000
        config.checkpoint_every_steps = 40_000
        config.evaluation.every_steps = 40_000
    return config
