"""Probes times slices per second: ours, abTEM's, and the floor of its transforms.

python -m benchmarks.simulator  (`make peers` makes abTEM's environment)
"""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax.sharding import AxisType, PartitionSpec

from benchmarks import abtem_peer, results_file
from inverse.simulator import detector, probe, s_matrix
from inverse.simulator.grid import Grid
from inverse.simulator.multislice import multislice, propagator, transmission
from parallel import mesh

_PEER_PYTHON = flags.DEFINE_string(
    "peer_python", str(abtem_peer.PYTHON), "A Python that has abtem and pyfftw."
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each.", lower_bound=5)
_THREADS = flags.DEFINE_integer("threads", 2, "Cores, for everyone.")

_ENERGY, _SEMIANGLE, _SAMPLING, _DZ = 100e3, 20.0, 0.1, 2.0
_RING = (40.0, 100.0)
# Side of the grid -> side of the scan.
SIZES = {64: 16, 128: 16, 192: 12, 256: 8, 512: 6}
_SLICES = 20


def _medians(functions: dict, rounds: int) -> dict[str, float]:
    """Seconds of each, measured in turn."""
    times = {name: [] for name in functions}
    for function in functions.values():
        jax.block_until_ready(function())
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _stack(n: int) -> np.ndarray:
    """Slices of a specimen [V A]; what they hold costs nothing."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 50, (_SLICES, n, n)).astype(np.float32)


def _scan(devices, grid, positions, batch_size):
    """Returns scan(transmissions, positions): electrons on the ring per probe."""
    step = propagator(grid, _ENERGY, _DZ)
    spectrum = probe.probe_spectrum(grid, _ENERGY, _SEMIANGLE)
    ring = jnp.asarray(np.fft.ifftshift(detector.annular_mask(grid, _ENERGY, *_RING)))

    def block(layers, positions):
        def one_batch(at):
            waves = probe.place_probes(spectrum, at, grid)
            waves = multislice(waves, lambda i: layers[i], step, _SLICES)
            far = jnp.fft.fft2(waves, norm="ortho")
            return jnp.sum(jnp.abs(far) ** 2 * ring[None], axis=(1, 2))

        batches = positions.reshape(-1, batch_size, 2)
        return jax.lax.map(one_batch, batches).reshape(-1)

    axes = jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,))
    probes = PartitionSpec("data")
    return mesh.spmd(block, axes, (PartitionSpec(), probes), probes)


def _transforms(devices, batch_size):
    """Returns transforms(waves [p, y, x]): the scan's transforms and nothing else."""

    def block(waves):
        def pair(i, waves):
            return jnp.fft.ifft2(jnp.fft.fft2(waves))

        batches = waves.reshape(-1, batch_size, *waves.shape[1:])
        return jax.lax.map(lambda w: jax.lax.fori_loop(0, _SLICES, pair, w), batches)

    axes = jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,))
    return mesh.spmd(block, axes, PartitionSpec("data"), PartitionSpec("data"))


def speed(n: int, python: str, rounds: int, threads: int) -> dict:
    """Milliseconds per probe and slice on a grid of n x n."""
    grid = Grid((n * _SAMPLING,) * 2, (n, n))
    side = SIZES[n]
    positions = jnp.asarray(probe.raster((0.0,) * 2, grid.extent_a, (side,) * 2))
    stack = _stack(n)
    layers = jax.jit(lambda v: transmission(v, _ENERGY, grid))(stack)
    contenders = {}
    for batch_size in (1, 2, 4):
        if len(positions) % (batch_size * threads) == 0:
            run = _scan(jax.devices(), grid, positions, batch_size)
            contenders[f"batch {batch_size}"] = lambda run=run: run(layers, positions)
    waves = jnp.ones((len(positions), n, n), jnp.complex64)
    transforms = _transforms(jax.devices(), 2)
    contenders["transforms"] = lambda: transforms(waves)
    ours = _medians(contenders, rounds)
    transforms_alone = ours.pop("transforms")
    peer = abtem_peer.ask(
        python,
        "speed",
        potential=stack,
        slice_thickness=_DZ,
        sampling=grid.sampling_a,
        energy=_ENERGY,
        semiangle_cutoff=_SEMIANGLE,
        ring=_RING,
        side=grid.extent_a[0],
        scan_gpts=(side, side),
        rounds=rounds,
    )
    floor = abtem_peer.ask(python, "floor", n=n, threads=threads, rounds=rounds)
    each = 1e3 / (len(positions) * _SLICES)
    best = min(ours.values())
    return {
        "probes": len(positions),
        "ms_floor": 1e3 * float(floor["seconds"]),
        "ms_ours": each * best,
        "ms_our_transforms": each * transforms_alone,
        "ms_ours_by_batch": {name: each * value for name, value in ours.items()},
        "ms_abtem_tuned": each * float(peer["tuned"]),
        "ms_abtem_default": each * float(peer["default"]),
        "over_tuned": float(peer["tuned"]) / best,
        "over_default": float(peer["default"]) / best,
        "share_of_floor": 1e3 * float(floor["seconds"]) / (each * best),
    }


def _table(rows: dict[int, dict]) -> list[str]:
    columns = {
        "FFTW's transforms": "ms_floor",
        "our transforms": "ms_our_transforms",
        "ours": "ms_ours",
        "abTEM, best batch": "ms_abtem_tuned",
        "abTEM as it comes": "ms_abtem_default",
    }
    ratios = {
        "times tuned abTEM": "over_tuned",
        "times abTEM as it comes": "over_default",
        "share of FFTW's speed": "share_of_floor",
    }
    lines = [f"| pixels | {' | '.join([*columns, *ratios])} |"]
    lines.append("|---" * (1 + len(columns) + len(ratios)) + "|")
    for n, row in rows.items():
        cells = [f"{row[field]:.4f} ms" for field in columns.values()]
        cells += [f"{row[field]:.2f}" for field in ratios.values()]
        lines.append(f"| {n} x {n} | {' | '.join(cells)} |")
    return lines


def matrix_speed(rounds: int, n: int = 128, side: int = 32) -> dict:
    """Seconds of 1,024 patterns by probes and by the S-matrix, on one device."""
    grid = Grid((n * _SAMPLING,) * 2, (n, n))
    positions = jnp.asarray(probe.raster((0.0,) * 2, grid.extent_a, (side,) * 2))
    layers = jax.jit(lambda v: transmission(v, _ENERGY, grid))(_stack(n))
    step = propagator(grid, _ENERGY, _DZ)
    spectrum = probe.probe_spectrum(grid, _ENERGY, _SEMIANGLE)
    chosen = s_matrix.beams(grid, _ENERGY, _SEMIANGLE)
    shape = (2 * n // 3 // 2 * 2,) * 2

    @jax.jit
    def by_probes(layers):
        def pattern(at):
            waves = probe.place_probes(spectrum, at[None], grid)
            waves = multislice(waves, lambda i: layers[i], step, _SLICES)
            return detector.cbed(waves, shape)[0]

        return jax.lax.map(pattern, positions, batch_size=2)

    @jax.jit
    def by_matrix(layers):
        matrix = s_matrix.s_matrix(
            grid, chosen, lambda i: layers[i], step, _SLICES, shape=shape, batch_size=2
        )
        weights = s_matrix.beam_amplitudes(grid, chosen, _ENERGY, _SEMIANGLE, positions)
        return s_matrix.s_matrix_patterns(matrix, weights)

    found = _medians(
        {"probes": lambda: by_probes(layers), "matrix": lambda: by_matrix(layers)},
        rounds,
    )
    return {
        "gpts": n,
        "beams": len(chosen[0]),
        "seconds_probes": found["probes"],
        "seconds_matrix": found["matrix"],
        "ratio": found["probes"] / found["matrix"],
    }


def main(argv: list[str]) -> None:
    """Measures and writes results/simulator_cpu.json."""
    del argv
    rounds, threads = _ROUNDS.value, _THREADS.value
    jax.config.update("jax_num_cpu_devices", threads)
    table = {}
    for n in SIZES:
        table[n] = speed(n, _PEER_PYTHON.value, rounds, threads)
        print(n, table[n], flush=True)
    matrix = matrix_speed(rounds)
    print(matrix)
    results = {
        "command": results_file.command(),
        "peer": "abTEM 1.0.11",
        "slices": _SLICES,
        "threads": threads,
        "per_probe_and_slice": table,
        "s_matrix": matrix,
        "title": "Multislice: time per probe and slice, medians",
        "table": _table(table),
    }
    print(results_file.write("simulator_cpu", results))


if __name__ == "__main__":
    app.run(main)
