"""Handwritten digits of scikit-learn: no download, minutes on a laptop."""

import ml_collections

from configs import common


def get_config(variant: str = "tuned") -> ml_collections.ConfigDict:
    """Digits, one generator per digit, images enlarged to 16 x 16 pixels.

    paper:       the published method and learning rate; steps are our choice
    tuned:       what `make demo` runs
    wasserstein: as tuned, in the game of arXiv:2207.12315
    single:      as tuned, one generator for all digits
    conditional: as tuned, one conditional generator, as much compute as all of tuned
    smoke:       everything once, in seconds

    python main.py --config=configs/digits.py --workdir=runs/digits
    """
    config = common.gan_base()
    config.dataset.name = "digits"
    config.dataset.num_labels = 10
    config.dataset.channels = 1
    config.dataset.image_size = 16
    config.dataset.resize = "bilinear"
    config.model.features = (512, 256)
    config.num_steps = 5000
    config.evaluation.num_real = 1500
    config.evaluation.num_fake = 1500
    config.evaluation.classifier_epochs = 30
    if variant == "paper":
        config.optimizer.ema_decay = 0.0  # no average of the generator
    if variant in ("tuned", "wasserstein", "single", "conditional"):
        config.model.features = (128, 64)
        config.per_entry_batch_size = 32
        config.optimizer.generator_learning_rate = 4e-4
        config.optimizer.discriminator_learning_rate = 4e-4
        config.num_steps = 400
        config.optimizer.decay_share = 0.5  # makes the best of a short training
        config.log_every_steps = 20
        config.sample_every_steps = 100
        config.checkpoint_every_steps = 100
        config.evaluation.every_steps = 100
    if variant in ("single", "conditional"):
        config.model.conditioning = "none" if variant == "single" else "class"
        config.num_steps = 4000
        config.log_every_steps = 200
        config.sample_every_steps = 1000
        config.checkpoint_every_steps = 1000
        config.evaluation.every_steps = 1000
    if variant == "wasserstein":
        common.make_wasserstein(config)
        config.per_entry_batch_size = 160  # five rounds
    if variant == "smoke":
        common.make_smoke(config)
        config.model.features = (32, 16)
    if variant not in common.GAN_VARIANTS:
        raise common.unknown_variant(variant, common.GAN_VARIANTS)
    return config
