"""A run of the digits that takes seconds."""

import jax

from configs import digits
from gan.check_config import Facts
from gan.setup import make_setup
from parallel.checkpoint import Checkpointer


def small_run_config(num_steps=6, **changes):
    """Ten pairs for a few steps, not scored; changes are named section__field."""
    config = digits.get_config("smoke")
    config.num_steps = num_steps
    config.evaluation.networks = ()
    config.evaluation.best_metric = ""
    for path, value in changes.items():
        section, _, name = path.rpartition("__")
        (config[section] if section else config)[name] = value
    return config


def saved_arrays(workdir, step):
    """Every array of a checkpoint, by name."""
    setup = make_setup(small_run_config(), Facts(10, 1), jax.devices()[:1])
    checkpointer = Checkpointer(workdir / "checkpoints", keep=None)
    state = checkpointer.restore(step, setup.abstract_state(setup.state_layout))
    return jax.device_get(state)
