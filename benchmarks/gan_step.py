"""One DC-GAN training step beside PyTorch's, interleaved on this machine.

python -m benchmarks.gan_step --torch_python=PATH_OF_A_PYTHON_WITH_TORCH
(`make peers` makes one in .venv-torch).
"""

import pathlib
import statistics
import time

import jax
from absl import app, flags

from benchmarks import results_file
from benchmarks.peer_process import PeerProcess
from benchmarks.stack import StackOfPairs

_FEATURES = flags.DEFINE_list("features", ["512", "256", "128"], "Channels by stage.")
_CHANNELS = flags.DEFINE_integer("channels", 3, "Of the images.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved measurements of each.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps per measurement.")
_TORCH = flags.DEFINE_string(
    "torch_python", ".venv-torch/bin/python", "Python of the peer's environment."
)
_PEER = pathlib.Path(__file__).parent / "peers" / "torch_dcgan.py"


def _peer(features, channels, batch_size, *more: str) -> PeerProcess:
    """PyTorch's step."""
    command = [_TORCH.value, str(_PEER), f"--features={','.join(features)}"]
    command += [f"--channels={channels}", f"--batch_size={batch_size}", *more]
    return PeerProcess(command)


def main(argv: list[str]) -> None:
    """Measures and writes results/gan_step.json."""
    del argv
    features, channels, batch = _FEATURES.value, _CHANNELS.value, _BATCH_SIZE.value
    contenders = {"jax": StackOfPairs(tuple(map(int, features)), channels, batch)}
    if pathlib.Path(_TORCH.value).exists():
        contenders["torch"] = _peer(features, channels, batch)
        contenders["torch channels_last"] = _peer(
            features, channels, batch, "--channels_last"
        )
    else:
        print(f"--torch_python={_TORCH.value}: not found, measuring ours alone.")
    times = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.seconds(2)  # compiling and warming up
    for _ in range(_ROUNDS.value):
        for name, contender in contenders.items():
            time.sleep(0.5)  # PyTorch's threads spin for a while after their work
            times[name].append(contender.seconds(_STEPS.value) / _STEPS.value)
    medians = {name: statistics.median(seen) for name, seen in times.items()}
    results = {
        "command": "python -m benchmarks.gan_step",
        "features": features,
        "channels": channels,
        "batch_size": batch,
        "median_ms_per_step": {n: round(1e3 * s, 2) for n, s in medians.items()},
        "all_ms_per_step": {
            n: [round(1e3 * s, 2) for s in seen] for n, seen in times.items()
        },
    }
    if "torch" in contenders:
        best = min(medians["torch"], medians["torch channels_last"])
        results["torch"] = contenders["torch"].version
        results["time_over_torch_best"] = round(medians["jax"] / best, 3)
        contenders["torch"].close()
        contenders["torch channels_last"].close()
    for name, milliseconds in results["median_ms_per_step"].items():
        print(f"{name:20s} {milliseconds:8.1f} ms/step")
    print("ours / PyTorch's best:", results.get("time_over_torch_best", "not measured"))
    print(results_file.write(f"gan_step_{jax.default_backend()}", results))


if __name__ == "__main__":
    app.run(main)
