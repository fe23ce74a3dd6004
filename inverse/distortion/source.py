"""Simulated crystals of a configuration: noise-free images and what they show."""

import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from inverse.simulator.channelling_images import Grams, crystal_grams, scan_images
from inverse.simulator.channelling_tables import Sampling, Tables, make_tables
from inverse.simulator.crystal_images import Microscope, slice_layers, stretch
from inverse.simulator.distorted_crystal import DistortionRange, Example, make_draw
from inverse.simulator.oxides import Oxide, load_oxides
from inverse.split_examples import TRAIN

VALIDATION = "validation"
# The same for all compounds.
_SHARED = ("limit", "beams", "seen", "sigma")


class Source(NamedTuple):
    """Where crystals come from.

    Attributes:
      examples: split -> (key -> dict of arrays, see `make_example_fn`).
      materials: names of each split's compounds.
      held_out: names of the splits that are scored: new crystals of the trained
        compounds, other compounds, and the trained ones in other foci.
      stored: splits that are read from files of --mode=simulate; none.
      digest: of what does not come with the code; nothing.
    """

    examples: dict[str, Callable[[jax.Array], dict[str, jax.Array]]]
    materials: dict[str, tuple[str, ...]]
    held_out: tuple[str, ...]
    stored: Mapping[str, Any] = types.MappingProxyType({})
    digest: str = ""


def distortion_range(config) -> DistortionRange:
    """What is drawn of crystals."""
    dataset = config.dataset
    return DistortionRange(
        counts=(dataset.cells, dataset.cells, dataset.layers),
        thinnest=dataset.thinnest,
        max_tilt_deg=dataset.max_tilt_deg,
        max_shift_a=dataset.max_shift_a,
        lateral_weights=tuple(dataset.lateral_weights),
        num_moments=dataset.num_moments,
    )


def microscope(config) -> Microscope:
    """How crystals are looked at, but for what each view draws."""
    dataset = config.dataset
    return Microscope(
        energy_ev=dataset.energy_ev,
        semiangle_cutoff_mrad=dataset.semiangle_mrad,
        haadf_inner_mrad=dataset.haadf_mrad[0],
        outer_mrad=dataset.haadf_mrad[1],
        pixels_per_cell=dataset.pixels_per_cell,
        phonon_rms_a=dataset.phonon_rms_a,
        dose_e_per_a2=0.0,
    )


def table_of(tables: Tables, oxide: jax.Array) -> dict[str, jax.Array]:
    """The tables of one compound."""
    return {
        name: value if name in _SHARED else jnp.asarray(value)[oxide]
        for name, value in tables._asdict().items()
    }


def tables_of(config, oxides: tuple[Oxide, ...]) -> Tables:
    """The constants of compounds under the configuration's microscope."""
    dataset = config.dataset
    sampling = Sampling(dataset.gpts_per_cell, dataset.bright_mrad)
    return make_tables(oxides, dataset.cells, microscope(config), sampling)


def on_square(config, table: dict[str, jax.Array], found: Example) -> Example:
    """Lays a strained crystal out on the square that its compound's tables are for."""
    counts, side = distortion_range(config).counts, table["side_a"]
    return stretch(found, counts, jnp.stack([side, side]))


def grams_of(config, table: dict[str, jax.Array], found: Example) -> Grams:
    """Sends the probe's plane waves through a crystal that lies on its square."""
    return crystal_grams(
        table,
        slice_layers(found, distortion_range(config).counts),
        found.cell[2] / 2,
        2 * found.depth,
        batch_size=Sampling().batch_size,
    )


def from_mean_a(example: Example) -> tuple[Example, jax.Array]:
    """Counts displacements from the mean place of A, over the depth and all columns.

    An image has no other origin. Returns the example and that place [xyz], A.
    """
    shift = example.targets.shift
    mean = shift[:, :, 0, 0].mean(axis=(0, 1))
    shift = shift.at[:, :, 0].add(-mean[None, None, None])
    return example._replace(targets=example.targets._replace(shift=shift)), mean


def make_example_fn(
    oxides: tuple[Oxide, ...], config, defocus_a: tuple[float, float]
) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """Returns example(key), a crystal in several foci, A's mean place in the corners.

    {"signals" [view, y, x, signal], "rotation" and "shift" and "tilt" as in Targets,
    "side_a" [], "depth" [], "oxide" [], "defocus_a" [view]}.
    """
    dataset, tables = config.dataset, tables_of(config, oxides)
    draw = make_draw(oxides, distortion_range(config))
    pixels = dataset.cells * dataset.pixels_per_cell

    def example(key: jax.Array) -> dict[str, jax.Array]:
        drawn, focus = jax.random.split(key)
        found = draw(drawn)
        table = table_of(tables, found.oxide)
        found, mean_a = from_mean_a(on_square(config, table, found))
        side, grams = table["side_a"], grams_of(config, table, found)
        low, high = defocus_a
        foci = jax.random.uniform(focus, (dataset.views,), minval=low, maxval=high)
        signals = jax.lax.map(
            lambda f: scan_images(table, grams, f, mean_a[:2] / side, pixels), foci
        )
        return {
            "signals": signals,
            **found.targets._asdict(),
            "side_a": side,
            "depth": found.depth,
            "oxide": found.oxide,
            "defocus_a": foci,
        }

    return example


def open_source(config) -> Source:
    """Prepares the splits: new compounds, and the trained ones seen another way."""
    dataset = config.dataset
    held = load_oxides(tuple(dataset.held_out))
    trained = tuple(o for o in load_oxides() if o.formula not in dataset.held_out)
    usual = tuple(dataset.defocus_a)
    splits = {
        TRAIN: (trained, usual),
        VALIDATION: (trained, usual),
        "materials": (held, usual),
        "settings": (trained, tuple(dataset.held_out_defocus_a)),
    }
    return Source(
        {name: make_example_fn(o, config, d) for name, (o, d) in splits.items()},
        {
            name: tuple(o.formula for o in oxides)
            for name, (oxides, _) in splits.items()
        },
        (VALIDATION, "materials", "settings"),
    )
