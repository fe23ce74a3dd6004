"""The simulator beside abTEM: the same crystal, probe and slices.

python -m benchmarks.simulator_agreement  (`make peers` makes abTEM's environment)
"""

import ase
import ase.build
import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from benchmarks import abtem_peer, results_file
from benchmarks.crystals import strontium_titanate_cell
from inverse.simulator import detector, probe, slices, specimen
from inverse.simulator.electron import POTENTIAL_V_A2
from inverse.simulator.grid import Grid
from inverse.simulator.multislice import multislice, propagator, transmission
from inverse.simulator.potential import form_factors, slice_potentials
from inverse.simulator.scattering_factors import scattering_factor

_PEER_PYTHON = flags.DEFINE_string(
    "peer_python", str(abtem_peer.PYTHON), "A Python that has abtem and pyfftw."
)
_RING_MRAD = (60.0, 95.0)


def strontium_titanate() -> ase.Atoms:
    """SrTiO3 [001], 4 x 4 x 10 cells."""
    return strontium_titanate_cell(3.904).repeat((4, 4, 10))


def silicon() -> ase.Atoms:
    """Si [110], 5.43 x 3.84 A across, on the pixels of a grid of 192."""
    cell = specimen.orient(ase.build.bulk("Si", cubic=True), (1, 1, 0))
    repeats = np.maximum(1, np.round(15.5 / cell.cell.lengths()[:2]).astype(int))
    return cell.repeat((*repeats, 10))


CASES = {
    "SrTiO3 [001] 100 keV": (strontium_titanate, 100e3, 1.952),
    "Si [110] 200 keV": (silicon, 200e3, 1.92),
}


def _patterns(potentials, grid, energy_ev, slice_thickness_a, scan):
    layers = transmission(jnp.asarray(potentials), energy_ev, grid)
    step = propagator(grid, energy_ev, slice_thickness_a)
    spectrum = probe.probe_spectrum(grid, energy_ev, 20.0)

    def pattern(at):
        waves = probe.place_probes(spectrum, at[None], grid)
        waves = multislice(waves, lambda i: layers[i], step, len(layers))
        return detector.cbed(waves)[0]

    return np.asarray(jax.jit(lambda at: jax.lax.map(pattern, at))(jnp.asarray(scan)))


def peer_form_factors(grid: Grid, numbers: tuple[int, ...]) -> np.ndarray:
    """As form_factors, with what abTEM does besides [species, y, x // 2 + 1].

    The ratio of the Fourier coefficients of its slices and ours, atoms on pixels, is
    u / sin(u) along each axis, u = k times the pixel: 1.0393 at u = 0.479 on any grid.
    It makes up for part of what an interpolation loses that atoms on pixels do not
    need; as it depends on the grid, not on k alone, it is no property of the specimen.
    The Nyquist row and column, which we leave out, are there as well.
    """
    ny, nx = grid.gpts
    u, v = np.fft.fftfreq(ny), np.arange(nx // 2 + 1) / nx
    rows, columns = (np.where(w, w / np.sin(np.where(w, w, 1)), 1.0) for w in (u, v))
    k = np.sqrt(grid.squared_frequency()[:, : nx // 2 + 1])
    atoms = np.stack([scattering_factor(z, k) for z in numbers])
    scale = POTENTIAL_V_A2 / grid.area_a2
    return (scale * atoms * rows[:, None] * columns).astype(np.float32)


def compare(case: str, python: str, gpts: int = 192, side: int = 6) -> dict:
    """Relative differences from abTEM over a scan of one unit cell.

    Returns:
      L2 of the patterns on abTEM's slices, on ours and on ours with peer_form_factors;
      the largest difference of the electrons on a ring of 60 to 95 mrad, over their
      mean.
    """
    make, energy_ev, slice_thickness_a = CASES[case]
    atoms = make()
    # Off the boundaries, so that both put every atom into the same slice.
    atoms.positions[:, 2] += slice_thickness_a / 2
    atoms.wrap()
    layers = slices.slice_atoms(atoms, slice_thickness_a + 1e-3)
    grid = Grid(layers.extent_a, (gpts, gpts))
    scan = probe.raster((0.0, 0.0), (4.0, 4.0), (side, side))
    theirs = abtem_peer.ask(
        python,
        "agree",
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        gpts=grid.gpts,
        slice_thickness=layers.slice_thickness_a,
        energy=energy_ev,
        semiangle_cutoff=20.0,
        scan=scan,
    )
    reference = np.fft.fftshift(theirs["patterns"], axes=(-2, -1))
    dz = layers.slice_thickness_a
    on_theirs = _patterns(theirs["potential"], grid, energy_ev, dz, scan)
    ours = slice_potentials(
        layers.positions_a, layers.weights, form_factors(grid, layers.numbers), grid
    )
    assert len(ours) == len(theirs["potential"])
    on_ours = _patterns(ours, grid, energy_ev, dz, scan)
    same_factor = slice_potentials(
        layers.positions_a,
        layers.weights,
        peer_form_factors(grid, layers.numbers),
        grid,
    )
    on_same = _patterns(same_factor, grid, energy_ev, dz, scan)
    ring = detector.annular_mask(grid, energy_ev, *_RING_MRAD)
    image, same, with_factor, wanted = (
        np.sum(p * ring, axis=(1, 2)) for p in (on_ours, on_theirs, on_same, reference)
    )
    return {
        "gpts": gpts,
        "slices": len(ours),
        "probes": len(scan),
        "cbed_on_abtem_slices": _relative(on_theirs, reference),
        "cbed_on_own_slices": _relative(on_ours, reference),
        "potential": _relative(np.asarray(ours), theirs["potential"]),
        "haadf_on_abtem_slices": float(np.abs(same / wanted - 1).max()),
        "haadf_largest": float(np.abs(image - wanted).max() / wanted.mean()),
        "potential_with_factor": _relative(
            np.asarray(same_factor), theirs["potential"]
        ),
        "cbed_with_factor": _relative(on_same, reference),
        "haadf_largest_with_factor": float(
            np.abs(with_factor - wanted).max() / wanted.mean()
        ),
        "haadf_mean": float(abs(image.mean() / wanted.mean() - 1)),
    }


def _relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def main(argv: list[str]) -> None:
    """Compares and writes results/simulator_agreement.json.

    Twice as fine a grid tells abTEM's error of interpolation, which falls with the
    square of the pixel, from a difference in physics, which would stay.
    """
    del argv
    table = {}
    for case in CASES:
        for gpts, side in ((192, 6), (384, 3)):
            row = compare(case, _PEER_PYTHON.value, gpts, side)
            table[f"{case}, {gpts} x {gpts}"] = row
            print(case, row, flush=True)
    results = {
        "command": "python -m benchmarks.simulator_agreement",
        "peer": "abTEM 1.0.11",
        "relative_difference": table,
    }
    print(results_file.write("simulator_agreement", results))


if __name__ == "__main__":
    app.run(main)
