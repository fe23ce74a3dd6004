"""Compiled programs kept between runs: the second start of a program compiles nothing.

JAX names an entry by the program, the compiler's version and options, and the devices
(on CPUs the processor's features too), so a stale entry is never taken.
"""

import contextlib
import os
import pathlib

import jax

from parallel.mesh import is_first_process
from parallel.run_log import log

OFF = "off"
LARGEST = 4 << 30  # bytes; about a thousand programs of a large network


def directory(cache_dir: str) -> pathlib.Path:
    """Where programs are kept: `cache_dir`, or in the user's cache if that is empty."""
    if cache_dir:
        return pathlib.Path(cache_dir).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "label-sharded-gans" / "compiled"


def start(cache_dir: str = "") -> pathlib.Path | None:
    """Lets JAX keep what it compiles from now on; call before the first compilation.

    JAX's own variables come first: JAX_COMPILATION_CACHE_DIR names another place, and
    JAX_ENABLE_COMPILATION_CACHE=false switches the cache off.

    Args:
      cache_dir: directory; empty for one in the user's cache directory; "off" for none.

    Returns:
      The directory that is used, or None. A directory that cannot be written to costs a
      line in the log and no run.
    """
    if cache_dir == OFF:
        # Switched off here and not left alone: the environment may name a directory.
        jax.config.update("jax_enable_compilation_cache", False)
    if not jax.config.jax_enable_compilation_cache:
        return None
    if given := jax.config.jax_compilation_cache_dir:
        return pathlib.Path(given)
    path = directory(cache_dir)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "not writable", str(path))
    except OSError as error:
        log.warning(
            "programs are compiled anew in every run: %s: %s", path, error.strerror
        )
        return None
    if is_first_process():
        _forget_oldest(path, LARGEST)
    jax.config.update("jax_compilation_cache_dir", str(path))
    # A run compiles many programs of a fraction of a second each; by default only those
    # of a second and more are kept.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return path


def _forget_oldest(path: pathlib.Path, largest: int) -> None:
    """Removes the entries that were written first, down to `largest` bytes in all."""
    found = []
    for entry in path.glob("*-cache"):
        with contextlib.suppress(OSError):  # another run may be removing it too
            status = entry.stat()
            found.append((status.st_mtime_ns, status.st_size, entry))
    excess = sum(size for _, size, _ in found) - largest
    for _, size, entry in sorted(found):
        if excess <= 0:
            return
        entry.unlink(missing_ok=True)
        excess -= size
