"""How a peer's program talks: it takes steps on request and says what it is.

The first line on standard output is the peer's version, or "cannot: " and the reason
where its way of working does not work on this machine. Each line of standard input is
a number of steps; the answer is the seconds that they took.
"""

import re
import sys
import time
from collections.abc import Callable


def serve(step: Callable[[], object], version: str, *, is_tried: bool = False) -> None:
    """Answers requests until standard input ends.

    Args:
      step: takes one.
      version: of what is measured.
      is_tried: whether one step is taken first, which may be impossible here: what is
        compiled needs a compiler that it supports.
    """
    if is_tried:
        try:
            step()
        # A compiler's front end fails in ways of its own.
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            told = re.sub(r"(?<!\w)/\S+", "PATH", why)[:200]
            print(f"cannot: {told}", flush=True)
            return
    print(version, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - start, flush=True)
