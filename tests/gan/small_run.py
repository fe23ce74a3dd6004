"""A run of the digits that takes seconds."""

from configs import digits


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
