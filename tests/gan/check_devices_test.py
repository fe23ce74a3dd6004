"""Devices that would stay idle are named before anything is loaded, with a remedy."""

import jax
import pytest

from configs import digits, imagenet
from gan import check_devices, data, describe, train
from gan.check_config import Facts
from gan.errors import ConfigError
from tests.gan.small_run import small_run_config


@pytest.fixture
def three_processes(monkeypatch):
    """As in a job of three, each with one of the devices."""
    three = jax.devices()[:3]
    monkeypatch.setattr(jax, "devices", lambda *args: three)
    monkeypatch.setattr(check_devices, "num_processes", lambda: 3)


@pytest.mark.parametrize(
    ("devices", "processes", "changes", "remedy"),
    [
        (24, 24, {}, "20 or 25 processes, or a new run with --config.per_entry_batch"),
        (24, 24, {}, "_size=99"),
        (24, 4, {}, "none idle; take a new run with --config.per_entry_batch_size=99"),
        (24, 4, {"optimizer.discriminator_steps": 5}, "_size=105"),
    ],
)
def test_several_processes_are_refused_with_numbers_that_fit(
    devices, processes, changes, remedy
):
    config = imagenet.get_config()
    config.update_from_flattened_dict(changes)
    with pytest.raises(ConfigError) as caught:
        check_devices.check_devices(config, Facts(1000, 3), devices, processes)
    message = str(caught.value)
    assert "config.per_entry_batch_size=100: " in message
    assert f"of {devices} devices" in message and remedy in message
    assert "\n" not in message


def test_one_process_is_told_and_one_that_fits_is_not():
    config = imagenet.get_config()
    remark = check_devices.check_devices(config, Facts(1000, 3), 24, 1)
    assert "20 of 24 devices" in remark and "20 or 25 devices" in remark
    assert check_devices.check_devices(config, Facts(1000, 3), 25, 25) is None
    config.per_entry_batch_size = 96
    assert check_devices.check_devices(config, Facts(1000, 3), 24, 24) is None


@pytest.mark.usefixtures("three_processes")
def test_a_run_is_refused_before_its_data_is_loaded_or_its_workdir_made(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(data, "load", lambda *args: pytest.fail("data was loaded"))
    with pytest.raises(ConfigError, match="per_entry_batch_size=8: .* 2 or 4 process"):
        train.train_and_evaluate(small_run_config(), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("three_processes")
def test_a_run_whose_data_decides_is_refused_when_it_has(tmp_path):
    config = small_run_config(dataset__num_labels=0)
    with pytest.raises(ConfigError, match="per_entry_batch_size=8: .* 2 or 4 process"):
        train.train_and_evaluate(config, str(tmp_path / "run"))


@pytest.mark.usefixtures("three_processes")
def test_a_dry_run_of_several_processes_is_refused_alike():
    with pytest.raises(ConfigError, match="per_entry_batch_size=8: .* 2 or 4 process"):
        describe.describe(digits.get_config("smoke"))


def test_a_dry_run_is_warned_of_what_several_processes_refuse(capsys):
    config = imagenet.get_config()
    config.evaluation.networks = ()
    describe.describe(config, 24)
    said = capsys.readouterr().out
    assert "mesh: {'label': 20, 'data': 1}, 20 devices, 4 idle" in said
    (warning,) = [line for line in said.splitlines() if line.startswith("warning: ")]
    assert "config.per_entry_batch_size=100: " in warning
    assert "20 or 25 devices" in warning
    assert "with several processes this is refused" in warning
    assert "  pairs 950..999 -> device 19" in said
    config.per_entry_batch_size = 96
    describe.describe(config, 24)
    said = capsys.readouterr().out
    assert "mesh: {'label': 8, 'data': 3}, 24 devices, 0 idle" in said
    assert "  pairs 125..249 -> device 3, device 4, device 5" in said
    assert "warning" not in said
