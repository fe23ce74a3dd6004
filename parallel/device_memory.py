"""How much memory a run has taken."""

import resource
import sys

import jax

_GIB = 1 << 30


def memory_gib() -> float:
    """Peak memory [GiB]: of the fullest local accelerator, or of this process."""
    peaks = [
        stats.get("peak_bytes_in_use", 0)
        for device in jax.local_devices()
        if (stats := device.memory_stats())
    ]
    if peaks and max(peaks):
        return max(peaks) / _GIB
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _GIB
