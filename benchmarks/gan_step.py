"""DC-GAN training steps of one or more pairs beside PyTorch's, interleaved.

python -m benchmarks.gan_step [--pairs=10] [--torch_python=A_PYTHON_WITH_TORCH]
(`make peers` makes one in .venv-torch). A peer that cannot work here, as torch.compile
without a compiler of C++, says so and is left out.
"""

import functools
import pathlib
import statistics
import time

import jax
from absl import app, flags

from benchmarks import results_file
from benchmarks.peer_process import PeerProcess, start_all
from benchmarks.stack import StackOfPairs

_FEATURES = flags.DEFINE_list("features", ["512", "256", "128"], "Channels by stage.")
_CHANNELS = flags.DEFINE_integer("channels", 3, "Of the images.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
_PAIRS = flags.DEFINE_integer("pairs", 1, "Labels, each with a pair of its own.")
_LOOPS = flags.DEFINE_list("loops", ["dispatch"], "Ours take turns by these.")
_DEVICES = flags.DEFINE_integer("devices", 1, "That a CPU's cores are divided into.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved measurements of each.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps per measurement.")
_TORCH = flags.DEFINE_string(
    "torch_python", ".venv-torch/bin/python", "Python of the peer's environment."
)
_PEER = pathlib.Path(__file__).parent / "peers" / "torch_dcgan.py"


# What a peer is called -> how its pairs take turns, and whether channels are last.
PEERS = {
    "torch": ("loop", False),
    "torch channels_last": ("loop", True),
    "torch vmap": ("vmap", False),
    "torch compile": ("compile", False),
    "torch compile channels_last": ("compile", True),
    "torch compile vmap": ("compile_vmap", False),
}


def _peer(form: str, channels_last: bool) -> PeerProcess:
    """PyTorch's step."""
    command = [_TORCH.value, str(_PEER), f"--pairs={_PAIRS.value}", f"--form={form}"]
    command += [f"--features={','.join(_FEATURES.value)}"]
    command += [f"--channels={_CHANNELS.value}", f"--batch_size={_BATCH_SIZE.value}"]
    return PeerProcess(command + (["--channels_last"] if channels_last else []))


def _ours() -> dict[str, StackOfPairs]:
    features = tuple(map(int, _FEATURES.value))
    return {
        "jax" if _PAIRS.value == 1 else f"jax {loop}": StackOfPairs(
            *(features, _CHANNELS.value, _BATCH_SIZE.value),
            entries=_PAIRS.value,
            loop=loop,
            num_devices=_DEVICES.value,
        )
        for loop in _LOOPS.value
    }


def _peers() -> tuple[dict[str, PeerProcess], dict[str, str]]:
    """Peers that run, and why others cannot."""
    if not pathlib.Path(_TORCH.value).exists():
        print(f"--torch_python={_TORCH.value}: not found, measuring ours alone.")
        return {}, {}
    return start_all(
        {
            name: functools.partial(_peer, *form)
            for name, form in PEERS.items()
            if _PAIRS.value > 1 or "vmap" not in name
        }
    )


def main(argv: list[str]) -> None:
    """Measures and writes results/gan_step.json."""
    del argv
    # Before a back end starts; other back ends do not look at it.
    jax.config.update("jax_num_cpu_devices", _DEVICES.value)
    ours = _ours()
    peers, unable = _peers()
    contenders = {**ours, **peers}
    times = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.seconds(2)  # compiling and warming up
    for _ in range(_ROUNDS.value):
        for name, contender in contenders.items():
            time.sleep(0.5)  # PyTorch's threads spin for a while after their work
            times[name].append(contender.seconds(_STEPS.value) / _STEPS.value)
    medians = {name: statistics.median(seen) for name, seen in times.items()}
    results = {
        "command": results_file.command(),
        "pairs": _PAIRS.value,
        "devices": _DEVICES.value,
        "features": _FEATURES.value,
        "channels": _CHANNELS.value,
        "batch_size": _BATCH_SIZE.value,
        "median_ms_per_step": {n: round(1e3 * s, 2) for n, s in medians.items()},
        "all_ms_per_step": {
            n: [round(1e3 * s, 2) for s in seen] for n, seen in times.items()
        },
    }
    if peers:
        fastest, best = (min(medians[n] for n in group) for group in (ours, peers))
        results["cannot_run"] = unable
        results["time_over_torch_best"] = round(fastest / best, 3)
        for peer in peers.values():
            peer.close()
            results["torch"] = peer.version
    for name, milliseconds in results["median_ms_per_step"].items():
        print(f"{name:20s} {milliseconds:8.1f} ms/step")
    print("ours / PyTorch's best:", results.get("time_over_torch_best", "not measured"))
    several = f"{_PAIRS.value}_pairs_" if _PAIRS.value > 1 else ""
    name = f"gan_step_{several}{jax.default_backend()}"
    print(results_file.write(name, results))


if __name__ == "__main__":
    app.run(main)
