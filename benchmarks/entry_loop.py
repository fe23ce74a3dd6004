"""How several pairs on one device take turns fastest, measured per back end.

python -m benchmarks.entry_loop [--entries=10] [--features=128,64,32] [--batch_size=32]
"""

import statistics
import time

import jax
from absl import app, flags

from benchmarks import results_file
from benchmarks.stack import StackOfPairs
from gan.label_sharded_step import LOOPS

_ENTRIES = flags.DEFINE_integer("entries", 10, "Pairs on the device.")
_FEATURES = flags.DEFINE_list("features", ["128", "64", "32"], "Channels by stage.")
_CHANNELS = flags.DEFINE_integer("channels", 1, "Of the images.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images per pair and step.")
_DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved measurements of each.")
_LOOPS = flags.DEFINE_list("loops", list(LOOPS), "Which to measure.")


def main(argv: list[str]) -> None:
    """Measures every loop, interleaved, and writes results/entry_loop_BACKEND.json."""
    del argv
    features = tuple(map(int, _FEATURES.value))
    stacks, compile_seconds = {}, {}
    for loop in _LOOPS.value:
        start = time.perf_counter()
        stacks[loop] = StackOfPairs(
            features,
            _CHANNELS.value,
            _BATCH_SIZE.value,
            entries=_ENTRIES.value,
            loop=loop,
            dtype=_DTYPE.value,
        )
        stacks[loop].seconds(1)
        compile_seconds[loop] = round(time.perf_counter() - start, 1)
    times = {loop: [] for loop in stacks}
    for _ in range(_ROUNDS.value):
        for loop, stack in stacks.items():
            times[loop].append(stack.seconds(1))
    medians = {k: round(1e3 * statistics.median(v), 1) for k, v in times.items()}
    for loop, milliseconds in sorted(medians.items(), key=lambda item: item[1]):
        print(
            f"{loop:10s} {milliseconds:8.1f} ms/step, first step after "
            f"{compile_seconds[loop]} s"
        )
    results = {
        "command": results_file.command(),
        "entries": _ENTRIES.value,
        "features": features,
        "channels": _CHANNELS.value,
        "batch_size": _BATCH_SIZE.value,
        "dtype": _DTYPE.value,
        "median_ms_per_step_of_all_pairs": medians,
        "all_ms_per_step_of_all_pairs": {
            loop: [round(1e3 * seconds, 1) for seconds in seen]
            for loop, seen in times.items()
        },
        "seconds_to_first_step": compile_seconds,
    }
    print(results_file.write(f"entry_loop_{jax.default_backend()}", results))


if __name__ == "__main__":
    app.run(main)
