"""abTEM's side of benchmarks.simulator: reads an NPZ, writes one beside it.

Called as a program with a task, the file of the question and the file of the answer;
needs abtem and nothing of this project. Arrays come and go as [..., y, x].
"""

import concurrent.futures
import statistics
import sys
import time

import abtem
import ase
import numpy as np
import pyfftw

abtem.config.set({"precision": "float32", "local_diagnostics.progress_bar": False})


def _potential(ask):
    array = np.ascontiguousarray(np.swapaxes(ask["potential"], -1, -2))
    return abtem.PotentialArray(
        array,
        slice_thickness=float(ask["slice_thickness"]),
        sampling=tuple(float(d) for d in ask["sampling"][::-1]),
    )


def _probe(ask, potential):
    probe = abtem.Probe(
        energy=float(ask["energy"]), semiangle_cutoff=float(ask["semiangle_cutoff"])
    )
    probe.grid.match(potential)
    return probe


def agree(ask):
    """Slices of a crystal, exit waves' patterns and electrons on a ring."""
    atoms = ase.Atoms(ask["numbers"], ask["positions"], cell=ask["cell"], pbc=True)
    potential = abtem.Potential(
        atoms,
        gpts=tuple(int(n) for n in ask["gpts"][::-1]),
        slice_thickness=float(ask["slice_thickness"]),
        parametrization="lobato",
        projection="infinite",
    ).build(lazy=False)
    probe = _probe(ask, potential)
    waves = probe.build(scan=ask["scan"], lazy=False).multislice(potential)
    patterns = np.abs(np.fft.fft2(waves.array)) ** 2
    return {
        "potential": np.swapaxes(potential.array, -1, -2),
        "patterns": np.swapaxes(patterns, -1, -2),
    }


def accuracy(ask):
    """Patterns of a scan, and seconds of building the potential and scanning."""
    atoms = ase.Atoms(ask["numbers"], ask["positions"], cell=ask["cell"], pbc=True)
    count = len(ask["scan"])

    def scan(batch):
        potential = abtem.Potential(
            atoms,
            gpts=tuple(int(n) for n in ask["gpts"][::-1]),
            slice_thickness=float(ask["slice_thickness"]),
            parametrization="lobato",
            projection="infinite",
        ).build(lazy=False)
        probe = _probe(ask, potential)
        waves = probe.build(scan=ask["scan"], max_batch=batch, lazy=True)
        return waves.multislice(potential).compute(progress_bar=False)

    def seconds(batch):
        start = time.perf_counter()
        scan(batch)
        return time.perf_counter() - start

    batches = [max(1, count // part) for part in (8, 4, 2)]
    for batch in batches:
        seconds(batch)
    rounds = [[seconds(b) for b in batches] for _ in range(int(ask["rounds"]))]
    best = min(statistics.median(times) for times in zip(*rounds, strict=True))
    patterns = np.abs(np.fft.fft2(scan(count // 8).array)) ** 2
    return {"patterns": np.swapaxes(patterns, -1, -2), "seconds": best}


def speed(ask):
    """Seconds of a scan: as it comes, and with each of several batches."""
    potential = _potential(ask)
    probe = _probe(ask, potential)
    ring = abtem.AnnularDetector(*(float(a) for a in ask["ring"]))
    side = float(ask["side"])
    gpts = tuple(int(n) for n in ask["scan_gpts"])
    scan = abtem.GridScan((0, 0), (side, side), gpts=gpts)
    count = int(np.prod(gpts))
    batches = ["auto", *(max(1, count // part) for part in (8, 4, 2))]

    def seconds(batch):
        start = time.perf_counter()
        task = probe.scan(
            potential, scan=scan, detectors=ring, max_batch=batch, lazy=True
        )
        task.compute(progress_bar=False)
        return time.perf_counter() - start

    for batch in batches:
        seconds(batch)
    rounds = [[seconds(b) for b in batches] for _ in range(int(ask["rounds"]))]
    medians = [statistics.median(times) for times in zip(*rounds, strict=True)]
    return {"default": medians[0], "tuned": min(medians[1:])}


def floor(ask):
    """Seconds per pair of transforms of one wave that stays in cache, all threads."""
    n, threads = int(ask["n"]), int(ask["threads"])

    def worker(_):
        wave = pyfftw.zeros_aligned((n, n), "complex64")
        wave[:] = 1e-3
        make = {"axes": (0, 1), "flags": ("FFTW_MEASURE",), "threads": 1}
        ahead = pyfftw.FFTW(wave, wave, **make)
        back = pyfftw.FFTW(wave, wave, direction="FFTW_BACKWARD", **make)
        return ahead, back

    plans = [worker(i) for i in range(threads)]
    repeats = max(4, int(4e7 / n**2 / 20))

    def run(plan):
        for _ in range(repeats):
            plan[0].execute()
            plan[1].execute()

    times = []
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in range(int(ask["rounds"]) + 1):
            start = time.perf_counter()
            list(pool.map(run, plans))
            times.append((time.perf_counter() - start) / repeats / threads)
    return {"seconds": statistics.median(times[1:])}


if __name__ == "__main__":
    task, question, answer = sys.argv[1:]
    with np.load(question) as given:
        tasks = {"agree": agree, "accuracy": accuracy, "speed": speed, "floor": floor}
        results = tasks[task](dict(given))
    np.savez(answer, **results)
