"""What goes bad first is named, once a row, and can be seen again."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from parallel.first_bad import BadNumbers, first_bad, first_bad_in
from tests.parallel.small_states import on_devices

NAMES = ["loss", "gradient/kernel", "gradient/bias"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(), (0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_the_first_tensor_in_the_order_of_blame_is_found(where, bad):
    named = {name: np.ones((2, 3), np.float32) for name in NAMES}
    for place in where:
        named[NAMES[place]][1, 2] = bad
    named["count"] = np.zeros(2, np.int32)
    code = int(jax.jit(first_bad)(named))
    # Compiled functions are given dicts in the order of their names.
    blamed = [n for n in sorted(named) if not np.isfinite(named[n]).all()]
    assert [sorted(named)[code - 1]] * (code > 0) == blamed[:1]
    assert int(first_bad(named)) == (1 + where[0] if where else 0)


@pytest.fixture
def heard(monkeypatch, caplog):
    monkeypatch.setattr("parallel.first_bad.log.propagate", True)
    return caplog


def test_a_row_of_bad_steps_is_named_once_with_what_replays_it(tmp_path, heard):
    bad_numbers = BadNumbers(tmp_path, NAMES, seed=11)
    state = {"params": {"kernel": jnp.ones(3)}}
    for step, code in enumerate([0, 2, 2, 0, 1, 0]):
        bad_numbers.see(step, 1, jnp.int32(code))
    bad_numbers.look(state, saved_step=0)
    assert [r.getMessage().split(" is not")[0] for r in heard.records] == [
        "step 1: gradient/kernel",
        "step 4: loss",
    ]
    record = json.loads((tmp_path / "bad_numbers" / "step-000001.json").read_text())
    assert record == {
        "step": 1,
        "num_steps": 1,
        "seed": 11,
        "label": None,
        "first_bad": "gradient/kernel",
        "first_bad_in_state": None,
        "replay_from_checkpoint": 0,
    }
    bad_numbers.look(state, saved_step=0)
    assert len(heard.records) == 2


def test_each_label_is_told_of_alone_and_the_broken_tensor_of_its_state(
    tmp_path, heard
):
    state = {"ema": np.ones((8, 2)), "params": np.ones((8, 3))}
    state["params"][5, 1] = np.nan
    state = on_devices(state, 4)
    assert first_bad_in(state) == first_bad_in(state, 5) == "params"
    assert first_bad_in(state, 4) is None
    code = on_devices(np.array([0, 0, 1, 0, 0, 3, 0, 0], np.int32), 4)
    bad_numbers = BadNumbers(tmp_path, NAMES, seed=0)
    bad_numbers.see(40, 2, code)
    bad_numbers.look(state, saved_step=30)
    places = sorted((tmp_path / "bad_numbers").iterdir())
    records = [json.loads(place.read_text()) for place in places]
    assert [r["label"] for r in records] == [2, 5]
    assert [r["first_bad"] for r in records] == ["loss", "gradient/bias"]
    assert [r["first_bad_in_state"] for r in records] == [None, "params"]
    assert "step 40, label 5: gradient/bias is not finite" in heard.text
