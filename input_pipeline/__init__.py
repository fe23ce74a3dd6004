"""Files, indices and keys to batches; no devices, no processes."""
