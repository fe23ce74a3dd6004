"""Results of trained networks are of what is configured now."""

import pytest

from benchmarks.results_file import read
from configs import stem_density, stem_distortion


@pytest.mark.parametrize(
    ("name", "config", "examples"),
    [
        ("density", stem_density.get_config("tuned"), "training_examples"),
        ("stem_distortion", stem_distortion.get_config("tuned"), "crystals"),
    ],
)
def test_what_is_shown_was_trained_as_tuned_says(name, config, examples):
    found = read(name)
    assert found["num_steps"] == config.num_steps
    assert found["batch_size"] == config.per_device_batch_size
    assert found[examples] == config.dataset.num_examples
