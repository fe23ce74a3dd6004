"""The plan is printed before anything is trained, and mistakes are named."""

import pytest

from configs import stem_density
from inverse.check_config import check_config
from inverse.describe import describe_plan
from inverse.errors import ConfigError


def test_the_published_plan_is_printed(capsys):
    describe_plan(stem_density.get_config("paper"))
    said = capsys.readouterr().out
    assert "220.41 M parameters in 32 tensors" in said
    assert "15 groups, 32 tensors, 440.8 MB" in said
    assert "xla_gpu_all_reduce_combine_threshold_bytes" in said
    assert "of the communication hidden" in said


@pytest.mark.parametrize("policy", ["optimal", "byte_bounds", "chunks", "one"])
def test_every_policy_can_be_asked_for(policy, capsys):
    config = stem_density.get_config("smoke")
    config.parallel.policy = policy
    describe_plan(config)
    assert f"policy {policy}" in capsys.readouterr().out


def test_a_run_on_many_devices_is_predicted_under_the_plan(capsys):
    describe_plan(stem_density.get_config("paper"), num_devices=27_600)
    said = capsys.readouterr().out
    assert "Predicted, not measured" in said
    assert "static plan at 27,600: efficiency 0.91" in said
    assert "Assumptions" in said


WRONG = [
    ("parallel.policy", "optimum", "did you mean 'optimal'"),
    ("parallel.wire_dtype", "float8", "choose one of"),
    ("machine.platform", "cuda9", "choose one of"),
    ("machine.link_gb_per_second", 0.0, "must be positive"),
    ("machine.latency_us", float("inf"), "must be positive, and finite"),
    ("machine.device_tflops", float("nan"), "must be positive, and finite"),
    ("parallel.first_mib", 1e-8, "is less than a byte"),
    ("model.layers_up", (1,), "layers_down"),
    ("model.remat", "sometimes", "choose one of auto"),
    ("model.dropout", 1.0, "must be in [0, 1)"),
    ("dataset.corrupt_shards", "skipp", "did you mean 'skip'"),
    ("optimizer.warm_steps", 600, "must be fewer than config.num_steps=600"),
    ("model.image_size", 30, "multiple of the 8 rows"),
]


@pytest.mark.parametrize(("path", "value", "remedy"), WRONG)
def test_a_wrong_field_is_named_with_value_and_remedy(path, value, remedy):
    config = stem_density.get_config("smoke")
    section, name = path.split(".")
    config[section][name] = value
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    assert f"config.{path}={value!r}" in str(caught.value)
    assert remedy in str(caught.value)


def test_a_side_that_cannot_be_halved_at_every_level_is_named():
    config = stem_density.get_config("paper")
    config.model.image_size = 36
    with pytest.raises(ConfigError, match="image_size=36: must be a multiple of 8"):
        check_config(config)
