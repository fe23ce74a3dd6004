"""Damage to a checkpoint is named, and the newest good step is used."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from parallel.manifest import MANIFEST
from parallel.verify import verify_workdir
from tests.parallel.small_states import abstract, bits, numbers

_KILLED_AFTER_ORBAX = """
import os, signal, sys
import numpy as np
from parallel import checkpoint

checkpoint.write_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
checkpoint.Checkpointer(sys.argv[1], keep=2).save(4, {"x": np.ones(4)}, {})
"""
GOLDEN = pathlib.Path(__file__).parent / "golden_checkpoint"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr("parallel.rejected_steps.log.propagate", True)
    path = tmp_path / "checkpoints"
    writer = Checkpointer(path, keep=3)
    for step in (1, 2, 3):
        writer.save(step, numbers(step), {})
    writer.close()
    return path


def _files(step):
    return sorted(p for p in step.rglob("*") if p.is_file())


def _newest(directory):
    reader = Checkpointer(directory, keep=3)
    try:
        step = reader.latest_step()
        assert bits(reader.restore(step, abstract(numbers()))) == bits(numbers(step))
        return step
    finally:
        reader.close()


def test_a_flipped_bit_anywhere_is_named_and_the_step_before_is_used(directory, caplog):
    rng, step = np.random.default_rng(0), directory / "3"
    for path in _files(step):
        whole = path.read_bytes()
        for _ in range(2 if whole else 0):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
            if damaged.decode("latin1").split() == whole.decode("latin1").split():
                continue
            path.write_bytes(damaged)
            caplog.clear()
            assert _newest(directory) == 2, path
            assert f"checkpoint {step} is passed over: " in caplog.text
            assert path.relative_to(step).as_posix() in caplog.text
        path.write_bytes(whole)
    assert _newest(directory) == 3


def test_truncation_and_deletion_of_any_file_are_named(directory, caplog):
    step = directory / "3"
    for path in _files(step):
        whole = path.read_bytes()
        for content in (whole[: len(whole) // 2], None):
            if content == whole:  # an empty file
                continue
            path.write_bytes(content) if content is not None else path.unlink()
            caplog.clear()
            assert _newest(directory) == 2, path
            assert path.name in caplog.text or "no manifest" in caplog.text
        path.write_bytes(whole)
    assert _newest(directory) == 3


@pytest.mark.parametrize("damage", ["a lost file", "a manifest that is none"])
def test_if_all_are_bad_nothing_is_trained_on(directory, damage):
    """One that was whole once is damage, also beside saves that never ended."""
    for step in (2, 3):
        (directory / str(step) / MANIFEST).unlink()
    if damage == "a lost file":
        (directory / "1" / "extra" / "metadata").unlink()
    else:
        (directory / "1" / MANIFEST).unlink()
        (directory / "1" / MANIFEST).mkdir()
    reader = Checkpointer(directory, keep=3)
    with pytest.raises(RunError, match=r"can be trusted .*3: it has no.*--fresh"):
        reader.latest_step()
    reader.close()


def test_a_first_save_that_did_not_end_is_named_and_set_aside(
    tmp_path, monkeypatch, caplog
):
    """Nothing that was ever whole is lost with it: a run starts before step 1."""
    monkeypatch.setattr("parallel.rejected_steps.log.propagate", True)
    path = tmp_path / "checkpoints"
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_AFTER_ORBAX, str(path)],
        cwd=pathlib.Path(__file__).resolve().parents[2],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in path.iterdir()] == ["4"]
    checkpointer = Checkpointer(path, keep=2)
    assert checkpointer.latest_step() is None
    (line,) = (r.getMessage() for r in caplog.records)
    assert line.startswith(f"checkpoint {path / '4'} is passed over: it has no manif")
    assert (path / "4").is_dir()  # a reader may have come while it is being saved
    checkpointer.save(2, numbers(2), {})
    checkpointer.save(4, numbers(4), {})
    checkpointer.close()
    assert _newest(path) == 4
    assert (tmp_path / "checkpoints-rejected" / "4").is_dir()


def test_a_rejected_step_is_set_aside_and_can_be_saved_again(directory):
    os.truncate(max(_files(directory / "3"), key=lambda p: p.stat().st_size), 1)
    checkpointer = Checkpointer(directory, keep=3)
    assert checkpointer.latest_step() == 2
    checkpointer.save(3, numbers(30), {})
    assert bits(checkpointer.restore(3, abstract(numbers()))) == bits(numbers(30))
    checkpointer.close()
    assert (directory.parent / "checkpoints-rejected" / "3").is_dir()


def test_a_whole_workdir_is_verified(directory, capsys):
    workdir = str(directory.parent)
    assert verify_workdir(workdir)
    (directory / "2" / "extra" / "metadata").write_text("{}")
    assert not verify_workdir(workdir)
    said = capsys.readouterr().out.splitlines()[3:]
    assert said[0] == "checkpoints/1: good" and said[2] == "checkpoints/3: good"
    assert said[1].startswith("checkpoints/2: extra/metadata has 2 bytes instead of")
    with pytest.raises(RunError, match="holds no checkpoint"):
        verify_workdir(workdir + "/nothing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_directory_that_cannot_be_written_is_one_line(directory):
    directory.chmod(0o500)
    writer = Checkpointer(directory, keep=3)
    with pytest.raises(RunError, match="could not be saved .*older steps are as they"):
        writer.save(4, numbers(4), {})
    directory.chmod(0o700)
    assert _newest(directory) == 3


@pytest.mark.parametrize(
    "when", ["while orbax writes", "while the manifest is written"]
)
def test_a_full_disk_is_one_line_and_older_steps_stay(directory, monkeypatch, when):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    writer = Checkpointer(directory, keep=1)
    if when == "while orbax writes":
        monkeypatch.setattr("orbax.checkpoint.CheckpointManager.save", full)
    else:
        monkeypatch.setattr("parallel.checkpoint.write_manifest", full)
    with pytest.raises(RunError, match=r"saved \(No space left on device\)"):
        writer.save(4, numbers(4), {})
    assert _newest(directory) == 3


def test_a_checkpoint_of_this_format_from_long_ago_is_still_read(tmp_path):
    """If this goes red, FORMAT_VERSION must grow and a golden one be added."""
    shutil.copytree(GOLDEN, tmp_path / "golden")
    assert _newest(tmp_path / "golden") == 5
