"""From a configuration of the distortion task to the things that it names."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from inverse.distortion.acquisition import INPUTS, Acquisition
from inverse.distortion.cell_network import CellNetwork
from inverse.distortion.channels import Channels
from inverse.distortion.gaussian_loss import gaussian_loss
from inverse.distortion.network import CropNetwork, DistortionNetwork
from inverse.simulator.crystal_images import IMAGES

_OUTPUTS = {"angles": 3, "classes": 27}


def make_channels(config) -> Channels:
    """What is predicted, and in which units."""
    dataset = config.dataset
    return Channels(dataset.num_moments, dataset.tilt_scale_deg, dataset.shift_scale_pm)


def map_pixels_per_cell(config) -> int:
    """Pixels of a map along a cell's side, of targets and predictions alike.

    What is said of a cell is the same all over it, and around an A in its corner over a
    quarter of each of four: more than two pixels a side would be copies.
    """
    return 2 if config.model.form == "cells" else config.dataset.pixels_per_cell


def make_module(config, axis_name: str | None) -> Callable[[nnx.Rngs], nnx.Module]:
    """Returns rngs -> module(input, train=...)."""
    model = config.model

    def make(rngs: nnx.Rngs) -> nnx.Module:
        dtype = jnp.dtype(model.dtype)
        names = make_channels(config).names
        if model.kind == "map" and model.form == "cells":
            return CellNetwork(
                detectors=len(IMAGES),
                of_a=tuple("_A_" in name for name in names),
                pixels_per_cell=config.dataset.pixels_per_cell,
                binning=model.binning,
                features=model.features,
                num_blocks=model.num_blocks,
                dtype=dtype,
                rngs=rngs,
            )
        if model.kind == "map":
            return DistortionNetwork(
                detectors=INPUTS,
                targets=len(names),
                features=model.features,
                dilations=tuple(model.dilations),
                dtype=dtype,
                rngs=rngs,
            )
        return CropNetwork(
            detectors=INPUTS,
            outputs=_OUTPUTS[model.kind],
            widths=tuple(model.widths),
            layers=tuple(model.layers),
            axis_name=axis_name,
            dtype=dtype,
            rngs=rngs,
        )

    return make


def make_loss_fn(config) -> Callable[..., jax.Array]:
    """Returns (prediction, target, step) -> cost of everything that is predicted."""

    def loss_fn(prediction: Any, target: jax.Array, step: Any = 0) -> jax.Array:
        del step
        if config.model.kind == "map":
            return gaussian_loss(*prediction, target, config.optimizer.beta)
        if config.model.kind == "angles":
            return (prediction - target) ** 2
        return optax.softmax_cross_entropy_with_integer_labels(prediction, target)

    return loss_fn


def batch_shapes(config) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """Shapes of one device's (input [n, y, x, c], target)."""
    n, dataset = config.per_device_batch_size, config.dataset
    side = dataset.cells * dataset.pixels_per_cell
    seen = jax.ShapeDtypeStruct((n, side, side, INPUTS), jnp.float32)
    channels = len(make_channels(config).names)
    of_map = dataset.cells * map_pixels_per_cell(config)
    wanted = {
        "map": jax.ShapeDtypeStruct((n, of_map, of_map, channels), jnp.float32),
        "angles": jax.ShapeDtypeStruct((n, 3), jnp.float32),
        "classes": jax.ShapeDtypeStruct((n,), jnp.int32),
    }
    return seen, wanted[config.model.kind]


def make_acquisition(config) -> Acquisition:
    """How training images are recorded."""
    dataset = config.dataset
    return Acquisition(
        source_rms_a=tuple(dataset.source_rms_a),
        log10_dose=tuple(dataset.log10_dose),
        line_jitter_a=dataset.line_jitter_pm / 100,
        origin_a=dataset.origin_pm / 100,
        phonon_rms_a=dataset.phonon_rms_a,
        semiangle_mrad=dataset.semiangle_mrad,
        detector_sets=tuple(dataset.detector_sets),
        detector_weights=tuple(dataset.detector_weights),
    )
