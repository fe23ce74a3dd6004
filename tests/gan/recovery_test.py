"""What breaks again and again is said so, and ends the run where it is all there is."""

import jax
import pytest

from gan.check_config import Facts
from gan.recovery import IN_VAIN, PATIENCE, Recovery
from gan.setup import make_setup
from gan.train import train_and_evaluate
from parallel.checkpoint import Checkpointer
from parallel.errors import RunError
from tests.gan.small_run import small_run_config


@pytest.fixture
def setup():
    return make_setup(small_run_config(), Facts(10, 1), jax.devices()[:1])


@pytest.fixture
def recovery(setup, tmp_path):
    return Recovery(setup, Checkpointer(tmp_path, keep=1))


def _stuck(setup, entry, good_steps):
    """A stack in which `entry` skipped its last steps, after `good_steps`."""
    state = setup.create_state()
    row = state.skipped_in_a_row.at[entry].set(PATIENCE)
    return state.replace(
        step=state.step + good_steps + PATIENCE,
        skipped=state.skipped + PATIENCE,
        skipped_in_a_row=row,
    )


def test_a_label_that_gets_nowhere_is_called_lost_and_the_others_go_on(setup, recovery):
    for _ in range(IN_VAIN):
        assert recovery.lost == []
        recovery.mend(_stuck(setup, 3, good_steps=5))
    assert recovery.lost == [3]


def test_a_label_that_got_on_in_between_is_not_lost(setup, recovery):
    for times in range(2 * IN_VAIN):
        good_steps = 5 + times * PATIENCE
        recovery.mend(_stuck(setup, 3, good_steps))
    assert recovery.lost == []


def test_a_run_whose_labels_are_all_lost_ends_with_an_error(tmp_path):
    config = small_run_config(60, optimizer__generator_learning_rate=1e30)
    with pytest.raises(RunError, match="no label gets on"):
        train_and_evaluate(config, str(tmp_path))
