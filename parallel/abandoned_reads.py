"""Keeps orbax's abandoned reads from burying the one line that says what is wrong."""

import sys
from collections.abc import Callable
from typing import Any

_Hook = Callable[[Any], None]


def _without_abandoned_reads(earlier: _Hook) -> _Hook:
    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
            return
        earlier(unraisable)

    hook.leaves_out_abandoned_reads = True
    return hook


def leave_out_abandoned_reads() -> None:
    """Drops the tracebacks of reads that end after another one has failed.

    Orbax reads all arrays at once and closes its event loop at the first failure;
    each of the others then reports the closed loop on its own thread, hundreds of
    tracebacks for one damaged file. Everything else is reported as before.
    """
    if not hasattr(sys.unraisablehook, "leaves_out_abandoned_reads"):
        sys.unraisablehook = _without_abandoned_reads(sys.unraisablehook)
