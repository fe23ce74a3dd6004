"""What a simulated scan will compute, decided before anything is computed."""

import dataclasses
import math
import os

import jax
import numpy as np

from inverse.errors import ConfigError
from inverse.materials import embedded_materials
from inverse.simulator import coherence, detector, memory, s_matrix, slices, specimen
from inverse.simulator.aberrations import SYMBOLS
from inverse.simulator.electron import wavelength_a
from inverse.simulator.errors import SimulatorError
from inverse.simulator.grid import BAND_LIMIT, Grid, smooth_size
from inverse.simulator.probe import raster

METHODS = ("auto", "probes", "s_matrix")
# Waves that travel together on a processor: they stay in its cache.
_PROCESSOR_BATCH = 4
_LARGEST_BATCH = 128


@dataclasses.dataclass(frozen=True)
class ScanPlan:
    """A scan, its grid, and the way to its patterns.

    Attributes:
      atoms: of the specimen.
      grid: of the waves.
      positions_a: of the probe [p, (x, y)].
      scan_gpts: positions along (y, x).
      scan_step_a: between positions (y, x).
      kept: frequencies (ky, kx) about zero that patterns are computed for.
      beams: rows and columns of the frequencies in the aperture.
      foci: defoci [A] and weights of the focal spread.
      moving: whether phonons displace the atoms, so that all slices differ.
      configurations: of frozen phonons that are averaged.
      by_matrix: whether the aperture's plane waves travel rather than probes.
      budget: bytes and the batch.
    """

    atoms: slices.SlicedAtoms
    grid: Grid
    positions_a: np.ndarray
    scan_gpts: tuple[int, int]
    scan_step_a: tuple[float, float]
    kept: tuple[int, int]
    beams: tuple[np.ndarray, np.ndarray]
    foci: tuple[np.ndarray, np.ndarray]
    moving: bool
    configurations: int
    by_matrix: bool
    budget: memory.Budget

    @property
    def num_waves(self) -> int:
        """Waves that travel through the specimen, of all configurations."""
        probes = len(self.positions_a) * len(self.foci[0])
        each = len(self.beams[0]) if self.by_matrix else probes
        return each * self.configurations

    @property
    def num_steps(self) -> float:
        """Steps of a wave through a slice, or what takes as long."""
        steps = self.num_waves * len(self.atoms.order)
        if not self.by_matrix:
            return steps
        sums = len(self.beams[0]) * len(self.positions_a) * len(self.foci[0])
        return steps + s_matrix.PRODUCT_OVER_STEP * sums * self.configurations

    @property
    def num_unique_slices(self) -> int:
        """Slices that differ and are kept."""
        return len(self.atoms.order) if self.moving else len(self.atoms.weights)


def make_plan(config) -> ScanPlan:
    """Builds the specimen and chooses grid, method and batch.

    Raises:
      ConfigError: a field has a value that cannot work.
      SimulatorError: a quantity is out of its range, or what is asked for does not fit.
    """
    _check(config)
    cell = oriented_cell(config)
    atoms = _specimen(config, cell)
    energy_ev = config.beam.energy_ev
    finest = (BAND_LIMIT / 2) * 1e3 * wavelength_a(energy_ev)
    finest /= config.detector.max_angle_mrad
    grid = Grid(
        atoms.extent_a, tuple(smooth_size(side / finest) for side in atoms.extent_a)
    )
    # Beyond the band limit of the coarser axis there is nothing.
    kept = tuple(
        min(n, 2 * math.ceil(grid.cutoff * side) + 2)
        for n, side in zip(grid.gpts, grid.extent_a, strict=True)
    )
    gpts = tuple(config.scan.gpts)
    periods = cell.cell.lengths()[[1, 0]]
    extent = [
        float(side or period)
        for side, period in zip(config.scan.extent_a, periods, strict=True)
    ]
    if config.beam.source_rms_a:
        _check_periodic(extent, periods)
    beams = s_matrix.beams(grid, energy_ev, config.beam.semiangle_cutoff_mrad)
    for inner, outer in config.detector.rings_mrad.values():
        detector.annular_mask(grid, energy_ev, inner, outer)
    plan = ScanPlan(
        atoms=atoms,
        grid=grid,
        positions_a=raster((0.0, 0.0), tuple(extent), gpts),
        scan_gpts=gpts,
        scan_step_a=tuple(e / n for e, n in zip(extent, gpts, strict=True)),
        kept=kept,
        beams=beams,
        foci=_foci(config.beam.focal_spread_a),
        moving=config.specimen.frozen_phonons > 0,
        configurations=max(1, config.specimen.frozen_phonons),
        by_matrix=False,
        budget=memory.Budget(0, 0, 0, 0),
    )
    return _with_method(plan, config)


def _check(config) -> None:
    if config.method not in METHODS:
        raise ConfigError(
            f"config.method={config.method!r}: choose {', '.join(METHODS)}."
        )
    for name, value in (
        ("specimen.frozen_phonons", config.specimen.frozen_phonons),
        ("detector.dose", config.detector.dose),
        ("memory_gib", config.memory_gib),
    ):
        if value < 0:
            raise ConfigError(f"config.{name}={value}: must be 0 or more.")
    if config.detector.max_angle_mrad <= 0:
        raise ConfigError(
            f"config.detector.max_angle_mrad={config.detector.max_angle_mrad}: must be "
            "positive."
        )
    for name in config.beam.aberrations:
        if name not in SYMBOLS:
            raise ConfigError(
                f"config.beam.aberrations.{name}: known are {', '.join(SYMBOLS)}."
            )


def oriented_cell(config):
    """The orthogonal cell (ase.Atoms) with the beam along z."""
    asked = config.specimen
    known = {material.name: material.atoms for material in embedded_materials()}
    if asked.structure in known:
        atoms = known[asked.structure]
    elif os.path.exists(asked.structure):
        atoms = specimen.read_structure(asked.structure)
    else:
        raise ConfigError(
            f"config.specimen.structure={asked.structure!r}: is no file, and none of "
            f"the crystals {', '.join(known)}."
        )
    oriented = specimen.orient(atoms, tuple(asked.zone_axis))
    return specimen.strain(oriented, *asked.strain)


def _specimen(config, cell) -> slices.SlicedAtoms:
    asked, period = config.specimen, float(cell.cell.lengths()[2])
    wide = specimen.supercell(cell, (asked.extent_a,) * 2, period)
    repeats = math.ceil(asked.thickness_a / period - 1e-6)
    return slices.slice_atoms(wide, asked.slice_thickness_a, repeats)


def _check_periodic(extent, periods) -> None:
    for axis, side, period in zip("yx", extent, periods, strict=True):
        if abs(side / period - round(side / period)) > 1e-3 or side < period / 2:
            raise ConfigError(
                f"config.scan.extent_a along {axis}={side:g} A: a source of finite "
                f"size needs whole periods of {period:.4f} A; use 0, or "
                "config.beam.source_rms_a=0."
            )


def _foci(spread_a: float) -> tuple[np.ndarray, np.ndarray]:
    return coherence.focal_spread(spread_a, 5 if spread_a else 1)


def _with_method(plan: ScanPlan, config) -> ScanPlan:
    """Chooses between probes and the aperture's plane waves, and the batch."""
    device = jax.local_devices()[0]
    available = _memory_bytes(device, config.memory_gib)
    largest = _PROCESSOR_BATCH if device.platform == "cpu" else _LARGEST_BATCH

    def budget(matrix_bytes: int) -> memory.Budget:
        return memory.plan_memory(
            plan.grid,
            num_unique_slices=plan.num_unique_slices,
            num_probes=len(plan.positions_a),
            shape=plan.kept,
            budget_bytes=available,
            largest_batch=largest,
            matrix_bytes=matrix_bytes,
        )

    probes = len(plan.positions_a) * len(plan.foci[0])
    cheaper = s_matrix.is_cheaper(len(plan.beams[0]), probes, len(plan.atoms.order))
    if config.method == "s_matrix" or (config.method == "auto" and cheaper):
        try:
            matrix_bytes = 8 * len(plan.beams[0]) * math.prod(plan.kept)
            found = budget(matrix_bytes)
            return dataclasses.replace(plan, by_matrix=True, budget=found)
        except SimulatorError:
            if config.method != "auto":
                raise
    return dataclasses.replace(plan, budget=budget(0))


def _memory_bytes(device: jax.Device, memory_gib: float) -> int:
    if memory_gib:
        return int(memory_gib * (1 << 30))
    limit = (device.memory_stats() or {}).get("bytes_limit")
    whole = limit or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return whole // 2
