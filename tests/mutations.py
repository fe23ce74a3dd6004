"""Damaged files by the hundred, and a watch over what reading them does."""

import contextlib
import os
import pathlib
import re
import sys
import time
import tracemalloc

import numpy as np

NUM = 200  # files per reader
_SECONDS = 10.0
_EXTREMES = (
    *(b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"),
    *(b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00" * 8, b"\x00" * 64),
)
_WORDS = (
    *(b"999999999999", b"-1", b"1e400", b"null", b"NaN", b"true", b"[]", b"{}", b'""'),
    *(b"../../../../etc/passwd", b"[" * 50_000, b'{"a":' * 5_000, b"(" * 5_000),
)
_FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn")
_FORBIDDEN += ("subprocess.Popen", "pickle.find_class", "socket.connect", "os.spawn")


def _mutated(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    place = int(rng.integers(len(data))) if data else 0
    kind = rng.integers(9)
    if kind == 0 and data:
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        data += rng.bytes(int(rng.integers(1, 200)))
    elif kind == 3:
        del data[place : place + int(rng.integers(1, 64))]
    elif kind == 4:
        data[place:place] = rng.bytes(int(rng.integers(1, 64)))
    elif kind in (5, 6):
        # Near the beginning there are headers.
        place = place if kind == 5 else int(rng.integers(min(len(data), 256) + 1))
        extreme = _EXTREMES[rng.integers(len(_EXTREMES))]
        data[place : place + len(extreme)] = extreme
    else:
        word = _WORDS[rng.integers(len(_WORDS))]
        numbers = [m.span() for m in re.finditer(rb"\d+(?:\.\d+)?", data)]
        if kind == 7 and numbers:
            start, end = numbers[rng.integers(len(numbers))]
            data[start:end] = word
        else:
            data[place:place] = word
    return bytes(data)


def mutations(content: bytes, num: int = NUM, seed: int = 0):
    """Yields (number, damaged content), the same ones each time."""
    for number in range(num):
        rng = np.random.default_rng([seed, number])
        damaged = content
        for _ in range(rng.integers(1, 4)):
            damaged = _mutated(damaged, rng)
        yield number, damaged


class _Watch:
    """Is told of everything that Python does; hooks cannot be taken back."""

    def __init__(self):
        self.allowed: pathlib.Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if self.allowed is None:
            return
        if event in _FORBIDDEN:
            self.seen.append(f"{event}{args[:1]}")
        elif event == "open" and isinstance(args[0], str | bytes):
            flags = args[2] if isinstance(args[2], int) else 0
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                path = pathlib.Path(os.fsdecode(args[0])).resolve()
                if not path.is_relative_to(self.allowed):
                    self.seen.append(f"wrote {path}")


_watch = _Watch()


@contextlib.contextmanager
def harmless(place: pathlib.Path, *, most_mib: float, seconds: float = _SECONDS):
    """What is done inside starts nothing, writes nothing elsewhere, and is modest.

    Args:
      place: where it may write.
      most_mib: of memory that Python and NumPy may take at once.
      seconds: it may take.
    """
    _watch.allowed, _watch.seen = place.resolve(), []
    tracemalloc.start()
    started = time.monotonic()
    try:
        yield
    finally:
        _watch.allowed = None
        took = time.monotonic() - started
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    assert _watch.seen == [], _watch.seen
    assert peak < most_mib, f"{peak:.0f} MiB"
    assert took < seconds, f"{took:.1f} s"


def read_all_damaged(path, content, read, *, errors, most_mib=64.0, num=NUM, seed=0):
    """Reads `num` damaged forms of a file; each ends well or with one clear line.

    Args:
      path: the file, which is overwritten.
      content: what it holds when it is whole.
      read: reads it, and whatever is beside it.
      errors: what `read` may raise.
      most_mib: see `harmless`.
      num: how many.
      seed: of the damage.

    Returns:
      How many were refused.
    """
    refused = 0
    for number, damaged in mutations(content, num, seed):
        path.write_bytes(damaged)
        try:
            with harmless(path.parent, most_mib=most_mib):
                read()
        except errors as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) > 20, (number, error)
        except Exception as error:
            error.add_note(f"mutation {number} of seed {seed}")
            raise
    path.write_bytes(content)
    read()  # whole again, it is read
    return refused
