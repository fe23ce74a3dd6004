"""What two runs in one workdir may differ in."""

# What may differ between two runs in one workdir: it changes no step.
MAY_CHANGE = (
    "log_every_steps",
    "checkpoint_every_steps",
    "keep_checkpoints",
    "evaluation.",
    "prediction.",
    "machine.",
    # Wherever they lie, simulated crystals and stored examples are the same.
    "dataset.library",
    "dataset.stored",
    "dataset.shard_examples",
    # What is recorded as changed, if it happens: some examples stand for others then.
    "dataset.corrupt_shards",
)


def may_change(config) -> tuple[str, ...]:
    """What may differ between two runs of `config` in one workdir."""
    fields = MAY_CHANGE
    if config.model.batch_statistics == "shared":
        # Other devices may share a step's samples; their number is checked by itself.
        fields += ("per_device_batch_size",)
    if config.optimizer.schedule == "published" and config.optimizer.loss != "huber":
        fields += ("num_steps",)  # otherwise it shapes every step
    return fields
