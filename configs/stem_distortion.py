"""Three-dimensional distortions of perovskites from one micrograph."""

import ml_collections

from configs import common

VARIANTS = ("large", "tuned", "smoke", "paper", "paper_angles")


def get_config(variant: str = "large") -> ml_collections.ConfigDict:
    """Three-dimensional distortions of perovskites from one micrograph.

    large:        maps with error bars, 4 x 4 cells, always new crystals; for a GPU
    tuned:        the same on 2 x 2 cells and a stored set of crystals; for a CPU
    smoke:        a network of some ten thousand parameters; minutes
    paper:        the published form: bright-field crops to 27 classes of tilt signs
    paper_angles: the same, to three angles

    python main.py --config=configs/stem_distortion.py:smoke --workdir=runs/distortion
    """
    config = common.distortion_base()
    if variant == "tuned":
        _make_small(config)
        config.num_steps = 48_000
        config.per_device_batch_size = 64
        config.dataset.num_examples = 5632
        config.optimizer.learning_rate = 5e-4
        config.evaluation.every_steps = 4000
        config.evaluation.num_examples = 64
    elif variant == "smoke":
        _make_small(config)
        config.num_steps = 200
        config.per_device_batch_size = 8
        config.dataset.num_examples = 64
        config.dataset.views = 1
        config.dataset.layers = 6
        config.dataset.thinnest = 4
        config.model.features = 32
        config.log_every_steps = 25
        config.checkpoint_every_steps = 100
        config.evaluation.every_steps = 100
        config.evaluation.num_examples = 16
    elif variant in ("paper", "paper_angles"):
        _make_small(config)
        config.dataset.num_examples = 512
        config.dataset.detector_sets = ("ABF",)
        config.dataset.detector_weights = (1.0,)
        config.evaluation.detector_sets = ("ABF",)
        config.num_steps = 1000
        config.optimizer.learning_rate = 1e-3
        config.evaluation.every_steps = 500
        config.evaluation.num_examples = 64
        config.model.kind = "classes" if variant == "paper" else "angles"
        config.model.widths = (16, 32, 64, 64)
        config.model.layers = (2, 2, 2, 2)
        config.optimizer.loss = "cross_entropy" if variant == "paper" else "mse"
        config.evaluation.best_metric = (
            "accuracy" if variant == "paper" else "angle_deg"
        )
    elif variant != "large":
        raise common.unknown_variant(variant, VARIANTS)
    return config


def _make_small(config: ml_collections.ConfigDict) -> None:
    """Crystals of 2 x 2 cells and up to 12 layers, on a CPU."""
    config.dataset.cells = 2
    config.dataset.layers = 12
    config.dataset.thinnest = 8
    config.dataset.lateral_weights = (1.0, 0.0, 0.0)
    config.model.dtype = "float32"
    config.parallel.wire_dtype = "float32"  # a CPU reduces nothing narrower
    config.machine.platform = "cpu"
