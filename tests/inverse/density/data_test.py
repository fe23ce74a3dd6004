"""The examples that are really trained on: simulated crystals, in their units."""

import jax
import numpy as np
import pytest

from configs import stem_density
from inverse.density import data
from inverse.split_examples import example_key

THICKNESS_A = 100.0


def _config():
    config = stem_density.get_config("smoke")
    config.dataset.thickness_a = (THICKNESS_A, THICKNESS_A)
    config.dataset.strains = (0.0,)  # as they are in nature
    return config


@pytest.fixture(scope="module")
def source():
    return data.open_source(_config())


@pytest.fixture(scope="module")
def examples(source):
    """Six examples of each of two splits, as training and scoring draw them."""
    found = {}
    for split in ("train", "materials"):
        example = jax.jit(source.examples[split])
        keys = [
            example_key(jax.random.key(0), split, np.array([0, n], np.uint32))
            for n in range(6)
        ]
        found[split] = [jax.device_get(example(key)) for key in keys]
    return found


def test_density_is_the_projected_potential_in_volt_angstrom(examples):
    """Mean inner potentials of neutral atoms lie between KCl's 7 V and W's 32 V."""
    for split in examples.values():
        for example in split:
            assert 5 < example["density"].mean() / THICKNESS_A < 40
            # Columns stand out of what lies between them.
            assert example["density"].max() > 2 * example["density"].mean()


def test_patterns_count_electrons_and_show_the_bright_field_disk(examples, source):
    config = _config()
    side = config.model.image_size
    axis = (np.arange(side) - side // 2) * source.scan.angle_mrad
    angle = np.hypot(*np.meshgrid(axis, axis))
    inside = angle < config.dataset.semiangle_mrad - source.scan.angle_mrad
    far = angle > 1.5 * config.dataset.semiangle_mrad
    for example in examples["train"]:
        patterns = example["patterns"]
        assert patterns.shape == (side, side, config.model.channels)
        assert patterns.min() >= 0 and np.isfinite(patterns).all()
        # Of a mean of 1 a pixel, what is scattered out of sight is missing.
        assert 0.5 < patterns.mean() <= 1.05
        assert patterns[inside].mean() > 10 * patterns[far].mean()


def test_an_example_is_a_function_of_seed_split_and_number(examples, source):
    key = example_key(jax.random.key(0), "train", np.array([0, 3], np.uint32))
    again = jax.device_get(jax.jit(source.examples["train"])(key))
    for name, array in examples["train"][3].items():
        np.testing.assert_array_equal(again[name], array)
    others = [*examples["train"][:3], *examples["materials"]]
    for other in others:
        assert not np.array_equal(other["density"], again["density"])


def test_no_material_is_both_trained_on_and_held_out(source):
    trained = set(source.materials["train"])
    for split in source.held_out:
        assert source.materials[split] and not trained & set(source.materials[split])
