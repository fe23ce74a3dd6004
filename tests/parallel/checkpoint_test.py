import os
import shutil

import jax
import numpy as np
import pytest

from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from tests.parallel.small_states import abstract, bits, layout, numbers, on_devices


def float32(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float32), tree)


@pytest.fixture
def open_checkpointer(tmp_path):
    opened = []

    def open_one(keep=2):
        opened.append(Checkpointer(tmp_path / "checkpoints", keep=keep))
        return opened[-1]

    yield open_one
    for checkpointer in opened:
        checkpointer.close()


@pytest.mark.parametrize("num_devices", [8, 2, 1])
def test_a_state_of_eight_devices_comes_back_bit_for_bit_on_fewer(
    open_checkpointer, num_devices, caplog
):
    state = float32(numbers())
    open_checkpointer().save(7, on_devices(state, 8), {})
    reader = open_checkpointer()  # as in a new process: it has saved nothing
    restored = reader.restore(7, abstract(state, num_devices))
    assert bits(restored) == bits(state)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for leaf in jax.tree.leaves(restored):
        assert leaf.sharding == layout(num_devices)
    assert not caplog.records


def test_every_dtype_comes_back_to_the_host_bit_for_bit(open_checkpointer):
    open_checkpointer().save(1, numbers(), {})
    restored = open_checkpointer().restore(1, abstract(numbers()))
    assert bits(restored) == bits(numbers())
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(restored))


def test_what_is_saved_beside_the_state_comes_back(open_checkpointer):
    open_checkpointer().save(1, numbers(), {"names": ["a", "b"], "prior": [0.25]})
    extra = open_checkpointer().extra(1)
    assert extra == {"format_version": 2, "names": ["a", "b"], "prior": [0.25]}


def test_a_donated_state_is_saved_as_it_was_before_the_next_step(open_checkpointer):
    overwrite = jax.jit(lambda x: jax.tree.map(lambda y: -y, x), donate_argnums=0)
    state = {"w": np.random.default_rng(0).normal(size=(8, 500_000)).astype("f4")}
    checkpointer, live = open_checkpointer(), on_devices(state, 8)
    checkpointer.save(1, live, {})
    after = jax.block_until_ready(overwrite(live))
    assert live["w"].is_deleted()
    checkpointer.save(2, after, {})
    jax.block_until_ready(overwrite(after))
    assert bits(checkpointer.restore(1, abstract(state))) == bits(state)
    assert bits(checkpointer.restore(2, abstract(state))) == bits({"w": -state["w"]})


def test_the_latest_steps_are_kept(open_checkpointer):
    checkpointer = open_checkpointer(keep=2)
    for step in (5, 10, 15):
        checkpointer.save(step, numbers(step), {"step": step})
    assert open_checkpointer().all_steps() == [10, 15]
    assert open_checkpointer().extra(10)["step"] == 10


def test_an_empty_place_has_no_step_and_stays_empty(open_checkpointer, tmp_path):
    checkpointer = open_checkpointer()
    assert checkpointer.latest_step() is None
    with pytest.raises(RunError, match="there is no checkpoint .*/3; train first"):
        checkpointer.restore(3, abstract(numbers()))
    assert not (tmp_path / "checkpoints").exists()


def test_a_step_is_never_overwritten(open_checkpointer):
    checkpointer = open_checkpointer()
    checkpointer.save(1, numbers(0), {})
    with pytest.raises(ValueError, match="already exists"):
        checkpointer.save(1, numbers(1), {})
    assert bits(checkpointer.restore(1, abstract(numbers()))) == bits(numbers(0))


def test_a_random_key_is_refused(open_checkpointer):
    with pytest.raises(TypeError, match="rng/key is a PRNG key"):
        open_checkpointer().save(1, {"rng": {"key": jax.random.key(0)}}, {})


def changed(part, value):
    return {**abstract(numbers()), part: value}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            changed("generator", {"kernel": jax.ShapeDtypeStruct((8, 5, 4), "f4")}),
            r"generator/kernel is float32\[8, 5, 3\] in it and float32\[8, 5, 4\] in",
        ),
        (
            changed("half", jax.ShapeDtypeStruct((8, 4), "f4")),
            r"half is bfloat16\[8, 4\] in it and float32\[8, 4\] in this",
        ),
        (
            changed("another", jax.ShapeDtypeStruct((8,), "f4")),
            r"another is nothing in it and float32\[8\] in this",
        ),
        (
            {k: v for k, v in abstract(numbers()).items() if k != "step"},
            r"step is int32\[8\] in it and nothing in this",
        ),
    ],
    ids=["shape", "dtype", "missing", "surplus"],
)
def test_a_checkpoint_of_another_model_is_refused_by_its_first_difference(
    open_checkpointer, wanted, message
):
    open_checkpointer().save(1, numbers(), {})
    with pytest.raises(RunError, match=message) as caught:
        open_checkpointer().restore(1, wanted)
    assert "\n" not in str(caught.value)
    assert "use the configuration that it was made with" in str(caught.value)


@pytest.mark.parametrize("lost", ["state", "extra", "state/manifest.ocdbt"])
def test_a_step_with_a_part_lost_is_passed_over_and_can_be_saved_again(
    open_checkpointer, tmp_path, caplog, monkeypatch, lost
):
    monkeypatch.setattr("parallel.rejected_steps.log.propagate", True)
    open_checkpointer().save(1, numbers(1), {})
    half = tmp_path / "checkpoints" / "2"
    shutil.copytree(tmp_path / "checkpoints" / "1", half)
    shutil.rmtree(half / lost) if (half / lost).is_dir() else (half / lost).unlink()
    checkpointer = open_checkpointer()
    assert checkpointer.latest_step() == 1
    assert f"checkpoint {half} is passed over" in caplog.text
    checkpointer.save(2, numbers(2), {})
    assert open_checkpointer().latest_step() == 2
    assert bits(checkpointer.restore(2, abstract(numbers()))) == bits(numbers(2))


def test_damaged_numbers_are_one_line_that_names_the_place_and_the_remedy(
    open_checkpointer, tmp_path
):
    state = {"w": np.random.default_rng(0).normal(size=(8, 100_000)).astype("f4")}
    open_checkpointer().save(1, state, {})
    step = tmp_path / "checkpoints" / "1"
    largest = max(step.rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    os.truncate(largest, largest.stat().st_size // 2)
    with pytest.raises(RunError) as caught:
        open_checkpointer().restore(1, abstract(state))
    line = str(caught.value)
    assert line.startswith(f"checkpoint {step} cannot be read")
    assert "remove that directory to go on from an older step" in line
    assert "\n" not in line


def test_a_checkpoint_of_a_later_format_is_refused(open_checkpointer, monkeypatch):
    monkeypatch.setattr("parallel.checkpoint.FORMAT_VERSION", 3)
    open_checkpointer().save(1, numbers(), {})
    monkeypatch.undo()
    with pytest.raises(RunError, match="has format version 3, this program reads 2"):
        open_checkpointer().extra(1)


def test_a_long_story_of_a_library_becomes_one_short_line(
    open_checkpointer, monkeypatch
):
    checkpointer = open_checkpointer()
    checkpointer.save(1, numbers(), {})

    def fail(*args, **kwargs):
        raise OSError("no such luck\n" + "and so on\n" * 1000)

    monkeypatch.setattr(checkpointer._manager, "restore", fail)
    with pytest.raises(RunError, match=r"\(no such luck\); remove") as caught:
        checkpointer.restore(1, abstract(numbers()))
    assert "\n" not in str(caught.value)
