import json
import pathlib

import jax
import pytest

from parallel.errors import RunError
from parallel.workdir import prepare_workdir

CONFIG = {
    "num_steps": 100,
    "model": {"features": (64, 32), "dtype": "float32"},
    "evaluation": {"every_steps": 10},
}
MAY_CHANGE = ("num_steps", "evaluation.")


def read(path):
    return json.loads(path.read_text())


def changed(**fields):
    return {**CONFIG, **fields}


def test_the_first_run_leaves_its_config_and_versions(tmp_path):
    path = prepare_workdir(str(tmp_path / "runs" / "a"), CONFIG, MAY_CHANGE)
    assert path == tmp_path / "runs" / "a"
    assert read(path / "config.json") == json.loads(json.dumps(CONFIG))
    (run,) = read(path / "versions.json")
    assert run["jax"] == jax.__version__
    assert run["devices"] == "8 x cpu"
    assert run["changed"] == {}
    assert {p.name for p in path.iterdir()} == {"config.json", "versions.json"}


def test_the_same_config_goes_on_and_is_added_to_the_record(tmp_path):
    for _ in range(3):
        prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)
    assert len(read(tmp_path / "versions.json")) == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            changed(model={"features": (64, 16), "dtype": "float32"}),
            r"config.model.features is \[64, 32\] there and \[64, 16\] here",
        ),
        (changed(seed=1), "config.seed is 'absent' there and 1 here"),
        (
            changed(model={"features": (64, 32)}),
            "config.model.dtype is 'float32' there and 'absent' here",
        ),
        (changed(num_steps_of_all=1), "config.num_steps_of_all is 'absent' there"),
    ],
    ids=["value", "new", "gone", "same beginning"],
)
def test_another_config_is_refused_by_field_and_nothing_changes(
    tmp_path, config, message
):
    prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(RunError, match=message) as caught:
        prepare_workdir(str(tmp_path), config, MAY_CHANGE)
    assert f"--workdir='{tmp_path}'" in str(caught.value)
    assert "choose another workdir" in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_what_may_change_is_recorded_beside_the_first_config(tmp_path):
    prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)
    first = (tmp_path / "config.json").read_bytes()
    longer = changed(num_steps=200, evaluation={"every_steps": 5})
    prepare_workdir(str(tmp_path), longer, MAY_CHANGE)
    assert (tmp_path / "config.json").read_bytes() == first
    assert read(tmp_path / "versions.json")[1]["changed"] == {
        "num_steps": 200,
        "evaluation.every_steps": 5,
    }


@pytest.mark.parametrize("inside", ["", "below/it"])
def test_a_file_is_no_workdir_and_stays_as_it_is(tmp_path, inside):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(RunError, match="cannot be a directory .*; name another one"):
        prepare_workdir(str(tmp_path / "notes" / inside), CONFIG, MAY_CHANGE)
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("text", ["[]", '{"num_', ""])
def test_a_damaged_config_is_named_and_kept(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config.json .*; choose another workdir") as e:
        prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)
    assert "\n" not in str(e.value)
    assert (tmp_path / "config.json").read_text() == text


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(self, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device"):
        prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    prepare_workdir(str(tmp_path), CONFIG, MAY_CHANGE)
    assert list(tmp_path.iterdir()) == []
