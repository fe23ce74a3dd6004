"""Which fields of a configuration may differ between runs, and between processes."""

# What may differ between two runs in one workdir: it changes no step of labels that
# stay healthy. (Labels that do not are mended before anything of them is logged, drawn,
# scored or saved, and go back to what was saved last.)
MAY_CHANGE = (
    "num_steps",
    "log_every_steps",
    "sample_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "dataset.data_dir",
    "dataset.cache_dir",
    "parallel.",
    "evaluation.",
)


def may_change(config) -> tuple[str, ...]:
    """What may differ between two runs of `config` in one workdir."""
    if config.optimizer.decay_share:  # then their number shapes the steps
        return tuple(name for name in MAY_CHANGE if name != "num_steps")
    return MAY_CHANGE


def how_to_prolong(config) -> str:
    """What to tell of a run that is complete."""
    if config.optimizer.decay_share:
        return "its learning rates have fallen, a longer one is another run"
    return "raise it above that to go on"


# What may differ between processes: where each finds its files.
MAY_DIFFER = ("dataset.data_dir", "dataset.cache_dir")
