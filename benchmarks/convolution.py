"""The forms of gan.convolution beside each other and beside flax's own layer.

python -m benchmarks.convolution [--batch_size=64]

Each as the training step compiles it and as the compiler would by itself ("default").
"""

import statistics
import time

import jax
import jax.numpy as jnp
from absl import app, flags
from jax import lax

from benchmarks import convolution_candidates, results_file
from gan import convolution_forms
from parallel.compiler_options import convolution_options

_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved measurements of each.")

# Side and channels of the larger image, channels of the smaller one.
SHAPES = ((32, 3, 128), (16, 128, 256), (8, 256, 512))


def flax_gradient(images: jax.Array, cotangents: jax.Array) -> jax.Array:
    """The kernel's gradient that differentiating a transposed convolution gives."""
    kernel = jnp.zeros((4, 4, cotangents.shape[-1], images.shape[-1]))

    def transposed(kernel):
        return lax.conv_transpose(
            cotangents,
            kernel,
            (2, 2),
            ((2, 2), (2, 2)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    return jax.vjp(transposed, kernel)[1](images)[0]


def _contenders(images, small, kernel):
    families = {
        "halve": (images, kernel),
        "double": (small, kernel),
        "gradient": (images, small),
    }
    ours = convolution_options(jax.default_backend())
    ways = {"": ours, ", default": None} if ours else {"": None}
    forms = {**vars(convolution_forms), **vars(convolution_candidates)}
    for family, operands in families.items():
        for name, form in forms.items():
            if name.startswith(f"{family}_by"):
                for way, options in ways.items():
                    yield name + way, jax.jit(form, compiler_options=options), operands
    yield "gradient as flax has it", jax.jit(flax_gradient), families["gradient"]


def _seconds(function, operands) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function(*operands))
    return time.perf_counter() - start


def main(argv: list[str]) -> None:
    """Measures and writes results/convolution_BACKEND.json."""
    del argv
    table = {}
    for size, channels, depth in SHAPES:
        keys = jax.random.split(jax.random.key(0), 3)
        n = _BATCH_SIZE.value
        images = jax.random.normal(keys[0], (n, size, size, channels))
        small = jax.random.normal(keys[1], (n, size // 2, size // 2, depth))
        kernel = jax.random.normal(keys[2], (4, 4, channels, depth))
        contenders = list(_contenders(images, small, kernel))
        for _, function, operands in contenders:
            _seconds(function, operands)
        times = {name: [] for name, _, _ in contenders}
        for _ in range(_ROUNDS.value):
            for name, function, operands in contenders:
                times[name].append(_seconds(function, operands))
        title = f"{size}x{size}x{channels} - {size // 2}x{size // 2}x{depth}"
        table[title] = {
            k: round(1e3 * statistics.median(v), 2) for k, v in times.items()
        }
        print(title)
        for name, milliseconds in table[title].items():
            print(f"  {name:34s} {milliseconds:8.2f} ms")
    results = {
        "command": results_file.command(),
        "batch_size": _BATCH_SIZE.value,
        "median_ms": table,
    }
    print(results_file.write(f"convolution_{jax.default_backend()}", results))


if __name__ == "__main__":
    app.run(main)
