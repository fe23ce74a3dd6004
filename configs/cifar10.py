"""CIFAR-10, one generator per class."""

import ml_collections

from configs import common


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """CIFAR-10, one generator per class.

    paper:       the published method, 64 x 64 pixels; our choice of steps
    tuned:       native 32 x 32 pixels in bfloat16, for one GPU
    wasserstein: as tuned, in the game of arXiv:2207.12315
    single:      as tuned, one generator for all classes
    conditional: as tuned, one conditional generator, as much compute as all of tuned
    smoke:       everything once, on a laptop's CPU

    python main.py --config=configs/cifar10.py:tuned --workdir=runs/cifar10
    """
    config = common.gan_base()
    config.dataset.name = "cifar10"
    config.dataset.num_labels = 10
    config.dataset.channels = 3
    config.num_steps = 20_000  # 400 epochs
    config.evaluation.num_real = 50_000
    config.evaluation.num_fake = 50_000
    config.evaluation.classifier_epochs = 10
    if variant == "paper":
        config.optimizer.ema_decay = 0.0  # no average of the generator
    if variant != "paper":
        config.dataset.image_size = 32
        config.dataset.resize = "none"
        config.dataset.flip = True
        config.model.features = (512, 256, 128)
        config.model.dtype = "bfloat16"
        config.per_entry_batch_size = 64
        config.optimizer.generator_learning_rate = 2e-4
        config.optimizer.discriminator_learning_rate = 2e-4
        config.num_steps = 40_000
        config.log_every_steps = 100
        config.sample_every_steps = 2000
        config.checkpoint_every_steps = 2000
        config.evaluation.every_steps = 2000
    if variant in ("single", "conditional"):
        config.model.conditioning = "none" if variant == "single" else "class"
        config.num_steps = 400_000
        config.log_every_steps = 1000
        config.sample_every_steps = 20_000
        config.checkpoint_every_steps = 20_000
        config.evaluation.every_steps = 20_000
    if variant == "wasserstein":
        common.make_wasserstein(config)
        config.per_entry_batch_size = 320  # five rounds
    if variant == "smoke":
        common.make_smoke(config)
        config.model.features = (32, 16, 8)
        config.model.dtype = "float32"
    if variant not in common.GAN_VARIANTS:
        raise common.unknown_variant(variant, common.GAN_VARIANTS)
    return config
