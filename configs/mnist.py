"""MNIST, one generator per digit."""

import ml_collections

from configs import common


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """MNIST, one generator per digit.

    paper:       the published method; its learning rate, our choice of steps
    tuned:       narrower nets that a laptop's CPU trains in minutes
    wasserstein: as tuned, in the game of arXiv:2207.12315
    single:      as tuned, one generator for all digits
    conditional: as tuned, one conditional generator, as much compute as all of tuned
    smoke:       everything once, in seconds

    python main.py --config=configs/mnist.py:tuned --workdir=runs/mnist
    """
    config = common.gan_base()
    config.dataset.name = "mnist"
    config.dataset.num_labels = 10
    config.dataset.channels = 1
    config.dataset.image_size = 32
    config.dataset.resize = "pad"
    config.model.features = (512, 256, 128)
    config.num_steps = 12_000
    if variant == "paper":
        config.optimizer.ema_decay = 0.0  # no average of the generator
    if variant in ("tuned", "wasserstein", "single", "conditional"):
        config.model.features = (128, 64, 32)
        config.per_entry_batch_size = 8
        config.optimizer.generator_learning_rate = 1e-3
        config.optimizer.discriminator_learning_rate = 1e-3
        config.num_steps = 1600
        config.optimizer.decay_share = 0.5  # makes the best of a short training
        config.log_every_steps = 100
        config.sample_every_steps = 800
        config.checkpoint_every_steps = 800
        config.evaluation.every_steps = 800
    if variant in ("single", "conditional"):
        config.model.conditioning = "none" if variant == "single" else "class"
        if variant == "conditional":  # the best of 5e-4, 1e-3 and 2e-3
            config.optimizer.generator_learning_rate = 2e-3
            config.optimizer.discriminator_learning_rate = 2e-3
        config.num_steps = 16_000
        config.log_every_steps = 1000
        config.sample_every_steps = 8000
        config.checkpoint_every_steps = 8000
        config.evaluation.every_steps = 8000
    if variant == "wasserstein":
        common.make_wasserstein(config)
        config.per_entry_batch_size = 40  # five rounds
    if variant == "smoke":
        common.make_smoke(config)
        config.model.features = (32, 16, 8)
    if variant not in common.GAN_VARIANTS:
        raise common.unknown_variant(variant, common.GAN_VARIANTS)
    return config
