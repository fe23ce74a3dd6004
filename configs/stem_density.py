"""Projected density from stacks of diffraction patterns."""

import ml_collections

from configs import common

VARIANTS = ("paper", "reduced", "smoke")


def get_config(variant: str = "paper") -> ml_collections.ConfigDict:
    """Projected density from stacks of diffraction patterns.

    paper:   the published network, fp16 on the wire, one group per block, V100s
    reduced: 256 probe positions of 256 x 256 pixels (the authors' later size)
    smoke:   a network of a few thousand parameters

    python main.py --config=configs/stem_density.py:paper --mode=plan
    """
    config = common.inverse_base()
    if variant == "paper":
        config.model.upsampling = "paper"
        config.model.dtype = "float16"
        config.parallel.policy = "per_block"
        config.parallel.wire_dtype = "float16"
        config.machine.device_tflops = 55.8  # sustained, of 125
        config.machine.link_gb_per_second = 25.0  # of a node of six
    elif variant == "reduced":
        config.model.channels = 256
        config.model.image_size = 256
    elif variant == "smoke":
        config.model.channels = 16
        config.model.image_size = 32
        config.model.growth = 8
        config.model.layers_down = (1, 1)
        config.model.layers_bottleneck = 1
        config.model.layers_up = (1, 1)
        config.model.dtype = "float32"
        config.parallel.wire_dtype = "float32"  # a CPU reduces nothing narrower
    else:
        raise common.unknown_variant(variant, VARIANTS)
    return config
