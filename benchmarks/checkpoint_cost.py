"""What verified checkpoints cost, beside orbax alone, and what saving aside would save.

python -m benchmarks.checkpoint_cost [--megabytes=200,1000] [--rounds=3]

Saves and restores a state of random float32 arrays of 4 MB each, in turns: with orbax
as it is (its synchronous save and its restore), with this program's checkpoints (files
fsynced and hashed after the save, all of them read and hashed before the restore), and
with orbax's asynchronous save, of which two times are told: until the call returns, and
until the step is on disk. Medians.
"""

import pathlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import app, flags, logging

from benchmarks import results_file
from parallel.checkpoint import Checkpointer
from parallel.manifest import why_not_good

_MEGABYTES = flags.DEFINE_list("megabytes", ["200", "1000"], "Sizes of the state.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each.")
_DIRECTORY = flags.DEFINE_string("directory", None, "A disk; that of temporary files.")

_ARRAY_BYTES = 4_000_000


def make_state(megabytes: int) -> dict[str, jax.Array]:
    """Random arrays that no compression makes smaller, on the device."""
    rng = np.random.default_rng(0)
    count = megabytes * 1_000_000 // _ARRAY_BYTES
    return {
        f"w{i:03d}": jax.device_put(rng.random(_ARRAY_BYTES // 4, np.float32))
        for i in range(count)
    }


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def _orbax(where: pathlib.Path, state: dict, is_async: bool) -> dict[str, float]:
    """Seconds of orbax alone: save, or both times of an asynchronous one; restore."""
    options = ocp.CheckpointManagerOptions(enable_async_checkpointing=is_async)
    with ocp.CheckpointManager(where, options=options) as manager:
        start = time.perf_counter()
        manager.save(1, args=ocp.args.StandardSave(state))
        returned = time.perf_counter() - start
        manager.wait_until_finished()
        complete = time.perf_counter() - start
        if is_async:
            return {"async_returns": returned, "async_complete": complete}
        restored = _timed(
            lambda: manager.restore(1, args=ocp.args.StandardRestore(_abstract(state)))
        )
    return {"orbax_save": complete, "orbax_restore": restored}


def _abstract(state: dict) -> dict:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )


def _ours(where: pathlib.Path, state: dict) -> dict[str, float]:
    """Seconds of this program's checkpoints: save; verification; restore with it."""
    checkpointer = Checkpointer(where, keep=None)
    saved = _timed(lambda: checkpointer.save(1, state, {}))
    verified = _timed(lambda: why_not_good(where / "1", 2))

    def restore():
        step = checkpointer.latest_step()
        return checkpointer.restore(step, _abstract(state))

    restored = _timed(restore)
    checkpointer.close()
    return {"save": saved, "verification": verified, "restore": restored}


def measure(megabytes: int, rounds: int, directory: str | None) -> dict[str, float]:
    """Median seconds of everything, for a state of that size."""
    state = jax.block_until_ready(make_state(megabytes))
    seen: dict[str, list[float]] = {}
    for _ in range(rounds):
        for measure_one in (
            lambda where: _orbax(where, state, is_async=False),
            lambda where: _ours(where, state),
            lambda where: _orbax(where, state, is_async=True),
        ):
            place = pathlib.Path(tempfile.mkdtemp(dir=directory)).resolve()
            try:
                for name, seconds in measure_one(place / "checkpoints").items():
                    seen.setdefault(name, []).append(seconds)
            finally:
                shutil.rmtree(place)
    return {name: round(statistics.median(all_), 3) for name, all_ in seen.items()}


def _table(runs: dict[str, dict[str, float]]) -> list[str]:
    rows = {
        "save, orbax alone": "orbax_save",
        "save, with checksums": "save",
        "restore, orbax alone": "orbax_restore",
        "restore, verified": "restore",
        "of it, verification": "verification",
        "orbax's asynchronous save: call returns": "async_returns",
        "orbax's asynchronous save: on disk": "async_complete",
    }
    lines = [
        f"| seconds | {' | '.join(f'{name} MB' for name in runs)} |",
        f"|{'---|' * (1 + len(runs))}",
    ]
    for said, field in rows.items():
        cells = " | ".join(f"{run[field]:.2f}" for run in runs.values())
        lines.append(f"| {said} | {cells} |")
    return lines


def main(argv: list[str]) -> None:
    """Measures and writes results/checkpoint_cost.json."""
    del argv
    logging.set_verbosity(logging.ERROR)
    runs = {}
    for megabytes in _MEGABYTES.value:
        runs[megabytes] = measure(int(megabytes), _ROUNDS.value, _DIRECTORY.value)
        print(megabytes, runs[megabytes], flush=True)
    table = _table(runs)
    print("\n".join(table))
    results_file.write(
        "checkpoint_cost",
        {
            "command": results_file.command(),
            "title": "What verified checkpoints cost",
            "rounds": _ROUNDS.value,
            "median_seconds": runs,
            "table": table,
        },
    )


if __name__ == "__main__":
    app.run(main)
