"""Time and rate of the density network's training step on one device.

python -m benchmarks.step_time --config=configs/stem_density.py:paper
python -m benchmarks.step_time --config=configs/stem_density.py:tuned --peers

Reports TFLOP/s by the published formula (three times the forward pass's products)
beside what the same device reaches in a large matrix product of the same type. With
--peers, forward and backward passes of the same network in PyTorch are interleaved with
ours (`make peers` makes its environment).
"""

import functools
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import results_file
from benchmarks.layer_layouts import (
    KERNEL_GRADIENTS,
    LAYOUTS,
    DenseLayer,
    KernelGradient,
    convolutions_of,
)
from benchmarks.peer_process import PeerProcess, start_all
from inverse import factories
from inverse.check_config import check_config
from inverse.density.factories import input_channels
from inverse.setup import make_setup, make_step
from parallel.compiler_options import convolution_options
from parallel.production_order import program_flops

_CONFIG = config_flags.DEFINE_config_file("config", None, "Of the network.")
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1"], "Samples per step, each timed.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved measurements of each.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps per measurement.")
_PEERS = flags.DEFINE_bool("peers", False, "Measure PyTorch beside it.")
_NAME = flags.DEFINE_string("name", "step_time", "Of the result file.")
_TORCH = flags.DEFINE_string(
    "torch_python", ".venv-torch/bin/python", "Python of the peer's environment."
)
_PEER = pathlib.Path(__file__).parent / "peers" / "torch_fcdensenet.py"


def forward_flops(config) -> float:
    """Operations of one sample's forward pass, by the published formula."""
    network = factories.make_network(config)
    patterns, _ = factories.batch_shapes(config)
    one = jax.ShapeDtypeStruct((1, *patterns.shape[1:]), patterns.dtype)

    def forward(params, batch_stats, patterns):
        return network.apply(params, batch_stats, patterns, train=True)

    return program_flops(forward, network.params, network.batch_stats, one)


def _batch(config):
    shapes = factories.batch_shapes(config)
    draw = np.random.default_rng(0)
    patterns, density = (draw.random(s.shape, np.float32) for s in shapes)
    return {"input": jnp.asarray(patterns, shapes[0].dtype), "target": density}


class TrainingStep:
    """The whole step: forward, backward, update, average."""

    def __init__(self, config):
        """Compiles it for one device."""
        setup = make_setup(config, jax.devices()[:1])
        self._state = setup.create_state()
        self._batch = jax.device_put(_batch(config), setup.batch_layout)
        self._step = make_step(config, setup).lower(self._state, self._batch).compile()

    def seconds(self, steps: int) -> float:
        """Takes so many steps."""
        start = time.perf_counter()
        for _ in range(steps):
            self._state, metrics = self._step(self._state, self._batch)
        jax.block_until_ready(metrics)
        return time.perf_counter() - start


class ForwardAndBackward:
    """Loss and gradients alone: what PyTorch's side does too."""

    def __init__(self, config, platform: str | None = None):
        """Compiles it, layers as they are written for `platform`, or for this one."""
        setup = make_setup(config, jax.devices()[:1])
        platform = platform or jax.default_backend()
        network = factories.make_network(config, platform=platform)
        state = setup.create_state()
        batch = _batch(config)
        gradients = jax.jit(
            jax.value_and_grad(factories.make_loss(network)),
            compiler_options=convolution_options(jax.default_backend()),
        )
        operands = (state.params, state.batch_stats, batch["input"])
        self._operands = jax.device_put((*operands, batch["target"]))
        self._gradients = gradients.lower(*self._operands).compile()

    def seconds(self, steps: int) -> float:
        """Computes so many gradients, one after the other."""
        start = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(self._gradients(*self._operands))
        return time.perf_counter() - start


def _peer(config, *more: str) -> PeerProcess:
    model = config.model
    command = [_TORCH.value, str(_PEER), *more]
    for name, value in {
        "channels": input_channels(config),
        "growth": model.growth,
        "kernel_size": model.kernel_size,
        "bottleneck": model.layers_bottleneck,
        "batch_size": config.per_device_batch_size,
        "side": model.image_size,
        "down": ",".join(map(str, model.layers_down)),
        "up": ",".join(map(str, model.layers_up)),
        "dtype": model.dtype,
    }.items():
        command.append(f"--{name}={value}")
    return PeerProcess(command)


def _product_tflops(dtype: str) -> float:
    """TFLOP/s of the fastest of some large matrix products."""
    n = 8192 if jax.default_backend() != "cpu" else 2048
    a = jnp.ones((n, n), dtype)
    product = jax.jit(lambda a: a @ a)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        jax.block_until_ready(product(a))
        times.append(time.perf_counter() - start)
    return 2 * n**3 / min(times) / 1e12


def _measured(contenders: dict, seconds_between: float = 0.0) -> dict[str, list[float]]:
    """Milliseconds of a step of each, interleaved."""
    times = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.seconds(1)
    for _ in range(_ROUNDS.value):
        for name, contender in contenders.items():
            time.sleep(seconds_between)
            seconds = contender.seconds(_STEPS.value) / _STEPS.value
            times[name].append(round(1e3 * seconds, 3))
    return times


def _medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(seen), 3) for name, seen in times.items()}


def _rates(config) -> dict:
    """Milliseconds and TFLOP/s of whole steps, by batch size."""
    work, table = 3 * forward_flops(config), {}
    for size in map(int, _BATCH_SIZES.value):
        config.per_device_batch_size = size
        config.dataset.num_examples = 0
        milliseconds = _medians(_measured({"step": TrainingStep(config)}))["step"]
        table[str(size)] = {
            "ms_per_step": milliseconds,
            "tflops": round(size * work / milliseconds / 1e9, 5),
        }
        print(f"batch {size}: {table[str(size)]}")
    return {"tflop_per_sample": round(work / 1e12, 5), "batch_sizes": table}


def _layouts(config) -> dict:
    layers = {layout: DenseLayer(config, layout) for layout in LAYOUTS}
    return {
        "dense_layer": layers["NHWC"].what,
        "median_ms_of_dense_layer": _medians(_measured(layers)),
    }


# What a peer is called -> how it works.
PEERS = {
    "torch": (),
    "torch channels_last": ("--channels_last",),
    "torch compile": ("--form=compile",),
    "torch compile channels_last": ("--form=compile", "--channels_last"),
}


def _kernel_gradients(config) -> dict:
    """Milliseconds of every layer's kernel's gradient, each way."""
    found = {}
    for layer in convolutions_of(config):
        ways = {way: KernelGradient(config, layer, way) for way in KERNEL_GRADIENTS}
        found["{0} x {0}, {1} -> {2}".format(*layer)] = _medians(_measured(ways))
    return {"median_ms_of_kernel_gradients": found}


def _beside_pytorch(config) -> dict:
    peers, unable = start_all(
        {name: functools.partial(_peer, config, *how) for name, how in PEERS.items()}
    )
    # PyTorch's threads spin for a while after their work.
    contenders = {"jax": ForwardAndBackward(config), **peers}
    if jax.default_backend() == "cpu":
        contenders["layers as on a GPU"] = ForwardAndBackward(config, "gpu")
    times = _measured(contenders, seconds_between=0.5)
    medians = _medians(times)
    found = {
        "cannot_run": unable,
        "all_ms_forward_and_backward": times,
        "median_ms_forward_and_backward": medians,
    }
    for peer in peers.values():
        peer.close()
        found["torch"] = peer.version
    if peers:
        best = min(medians[name] for name in peers)
        found["speed_over_torch_best"] = round(best / medians["jax"], 3)
    return found


def main(argv: list[str]) -> None:
    """Measures and writes results/NAME_BACKEND.json."""
    del argv
    config = _CONFIG.value
    check_config(config)
    results = {"command": results_file.command()}
    if _PEERS.value:
        if not pathlib.Path(_TORCH.value).exists():
            raise app.UsageError(f"--torch_python={_TORCH.value}: not found.")
        results |= _beside_pytorch(config)
    results |= _layouts(config)
    if jax.default_backend() == "cpu":
        results |= _kernel_gradients(config)
    results |= _rates(config)
    results["matrix_product_tflops"] = round(_product_tflops(config.model.dtype), 4)
    best = max(row["tflops"] for row in results["batch_sizes"].values())
    results["share_of_matrix_product"] = round(
        best / results["matrix_product_tflops"], 3
    )
    print(results)
    print(results_file.write(f"{_NAME.value}_{jax.default_backend()}", results))


if __name__ == "__main__":
    app.run(main)
