"""Every variant of every experiment loads and makes sense."""

import importlib
import pathlib

import pytest

from configs import common, stem_density, stem_distortion
from gan.check_config import Facts, check_config, num_entries
from inverse.check_config import check_config as check_inverse_config
from inverse.errors import ConfigError

NAMES = [
    path.stem
    for path in sorted((pathlib.Path(__file__).parents[2] / "configs").glob("*.py"))
    if path.stem not in ("__init__", "common", "simulate")
    and not path.stem.startswith("stem_")
]


def _get(name, variant):
    return importlib.import_module(f"configs.{name}").get_config(variant)


@pytest.mark.parametrize("variant", stem_density.VARIANTS)
def test_every_variant_of_the_density_network_passes_the_checks(variant):
    check_inverse_config(stem_density.get_config(variant))


@pytest.mark.parametrize("variant", stem_distortion.VARIANTS)
def test_every_variant_of_the_distortion_networks_passes_the_checks(variant):
    check_inverse_config(stem_distortion.get_config(variant))


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("dataset", "held_out", ("SrTiO4",)),
        ("dataset", "cells", 3),
        ("dataset", "source_rms_a", (0.6, 0.3)),
        ("dataset", "detector_weights", (1.0,)),
        ("evaluation", "best_metric", "accuracy"),
        ("optimizer", "loss", "mse"),
        ("optimizer", "beta", 1.5),
        ("model", "kind", "maps"),
    ],
)
def test_a_distortion_field_that_cannot_work_is_named(section, field, value):
    config = stem_distortion.get_config("smoke")
    config[section][field] = value
    with pytest.raises(ConfigError, match=rf"config\.{section}\.{field}="):
        check_inverse_config(config)


@pytest.mark.parametrize("variant", common.GAN_VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_variant_passes_the_checks(name, variant):
    check_config(_get(name, variant))


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_variant_names_those_there_are(name):
    with pytest.raises(ValueError, match="conditional"):
        _get(name, "papper")


@pytest.mark.parametrize("name", NAMES)
def test_the_baselines_see_as_many_images_as_all_pairs_together(name):
    tuned = _get(name, "tuned")
    facts = Facts(tuned.dataset.num_labels, tuned.dataset.channels)
    pairs = num_entries(tuned, facts)
    assert pairs == tuned.dataset.num_labels
    for variant in ("single", "conditional"):
        baseline = _get(name, variant)
        assert num_entries(baseline, facts) == 1
        assert baseline.num_steps == tuned.num_steps * pairs
        assert baseline.per_entry_batch_size == tuned.per_entry_batch_size
        assert baseline.model.features == tuned.model.features
