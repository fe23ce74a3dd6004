"""ImageNet-1k, one generator per class: 1,000 pairs."""

import ml_collections

from configs import common


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """ImageNet-1k, random resized crops of 64 x 64 pixels, decoded while training.

    paper:       the published method, learning rate, batch and 2,000 epochs
    tuned:       a higher learning rate in bfloat16, 800 epochs
    wasserstein: as tuned, in the game of arXiv:2207.12315
    single:      as tuned, one generator for all classes
    conditional: as tuned, one conditional generator, as much compute as all of tuned
    smoke:       everything once, with small nets

    python main.py --config=configs/imagenet.py --workdir=runs/imagenet
    """
    config = common.gan_base()
    config.dataset.name = "imagenet"
    config.dataset.num_labels = 1000
    config.dataset.channels = 3
    config.dataset.streamed = True
    config.num_steps = 26_000  # 2,000 epochs of a class's 1,300 images
    config.evaluation.num_real = 50_000
    config.evaluation.num_fake = 50_000
    config.evaluation.networks = ("imagenet_classifier", "inception_2015")
    if variant == "paper":
        config.optimizer.ema_decay = 0.0  # no average of the generator
    if variant in ("tuned", "wasserstein", "single", "conditional"):
        config.model.dtype = "bfloat16"
        config.dataset.flip = True
        config.per_entry_batch_size = 64
        config.optimizer.generator_learning_rate = 2e-4
        config.optimizer.discriminator_learning_rate = 2e-4
        config.num_steps = 16_000
        config.log_every_steps = 100
        config.sample_every_steps = 2000
        config.checkpoint_every_steps = 2000
        config.evaluation.every_steps = 2000
    if variant in ("single", "conditional"):
        config.model.conditioning = "none" if variant == "single" else "class"
        config.num_steps = 16_000_000
        config.log_every_steps = 100_000
        config.sample_every_steps = 2_000_000
        config.checkpoint_every_steps = 200_000
        config.evaluation.every_steps = 2_000_000
    if variant == "wasserstein":
        common.make_wasserstein(config)
        config.per_entry_batch_size = 320  # five rounds
    if variant == "smoke":
        common.make_smoke(config)
        config.model.features = (32, 16, 8, 4)
        config.evaluation.num_real = 4000
        config.evaluation.num_fake = 4000
    if variant not in common.GAN_VARIANTS:
        raise common.unknown_variant(variant, common.GAN_VARIANTS)
    return config
