"""One DC-GAN training step beside PyTorch's, interleaved on this machine.

python -m benchmarks.gan_step --torch_python=PATH_OF_A_PYTHON_WITH_TORCH
(`make peers` makes one in .venv-torch).
"""

import pathlib
import statistics
import subprocess
import time

import jax
import numpy as np
import optax
from absl import app, flags

from benchmarks import results_file
from gan.label_sharded_step import make_label_sharded_step
from gan.losses import make_loss
from gan.models import Discriminator, Generator, image_size_of
from gan.train_state import create_stack, make_pair
from gan.train_step import StepSettings, make_train_step
from parallel.mesh import DATA_AXIS, LABEL_AXIS, make_mesh, sharding, to_mesh
from parallel.reduction import mean_over

_FEATURES = flags.DEFINE_list("features", ["512", "256", "128"], "Channels by stage.")
_CHANNELS = flags.DEFINE_integer("channels", 3, "Of the images.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images per step.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved measurements of each.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps per measurement.")
_TORCH = flags.DEFINE_string(
    "torch_python", ".venv-torch/bin/python", "Python of the peer's environment."
)
_PEER = pathlib.Path(__file__).parent / "peers" / "torch_dcgan.py"


class _Ours:
    """Our step of one pair, through the same code path as training."""

    def __init__(self, features, channels, batch_size):
        reduction = mean_over(DATA_AXIS)
        shared = {
            "features": features,
            "channels": channels,
            "axis_name": reduction.axis_name,
        }
        pair = make_pair(
            lambda rngs: Generator(**shared, latent_size=100, rngs=rngs),
            lambda rngs: Discriminator(**shared, rngs=rngs),
            optax.adam(1e-4, b1=0.5),
            optax.adam(1e-4, b1=0.5),
            100,
        )
        mesh = make_mesh(1, batch_size, jax.devices()[:1])
        self._state = create_stack(
            jax.random.key(0), pair, 1, sharding(mesh, LABEL_AXIS)
        )
        settings = StepSettings(make_loss("non_saturating", 0.0), 1, 0.999)
        self._step = make_label_sharded_step(
            make_train_step(pair, settings, reduction),
            mesh,
            1,
            loop="dispatch",
            chunk_size=1,
            steps_per_dispatch=1,
        )
        side = image_size_of(features)
        shape = (1, 1, batch_size)
        images = np.random.default_rng(0).integers(
            0, 256, (*shape, side, side, channels), np.uint8
        )
        batch = {
            "image": images,
            "label": np.zeros(shape, np.int32),
            "example": np.arange(batch_size, dtype=np.int32).reshape(shape),
        }
        self._batch = to_mesh(batch, sharding(mesh, None, LABEL_AXIS, DATA_AXIS))
        self._key = jax.random.key(1)

    def seconds(self, steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            self._state, metrics = self._step(self._state, self._batch, self._key)
        jax.block_until_ready((self._state, metrics))
        return time.perf_counter() - start


class _Peer:
    """PyTorch's step, in a process of its own."""

    def __init__(self, features, channels, batch_size, channels_last):
        command = [_TORCH.value, str(_PEER), f"--features={','.join(features)}"]
        command += [f"--channels={channels}", f"--batch_size={batch_size}"]
        command += ["--channels_last"] if channels_last else []
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self._process.stdout.readline().strip()

    def seconds(self, steps: int) -> float:
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def main(argv: list[str]) -> None:
    """Measures and writes results/gan_step.json."""
    del argv
    features, channels, batch = _FEATURES.value, _CHANNELS.value, _BATCH_SIZE.value
    contenders = {"jax": _Ours(tuple(map(int, features)), channels, batch)}
    if pathlib.Path(_TORCH.value).exists():
        contenders["torch"] = _Peer(features, channels, batch, False)
        contenders["torch channels_last"] = _Peer(features, channels, batch, True)
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
