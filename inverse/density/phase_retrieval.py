"""Single-slice ptychography: the phase that explains all patterns of a scan at once.

What a scan tells without training when every pixel of every pattern is used, as long as
one thin phase object in a probe that is known explains them: the intensity error of
Guizar-Sicairos and Fienup (2008, doi:10.1364/OE.16.007264), minimised with Adam.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import ndimage

from inverse.scan.geometry import Scan
from inverse.simulator import probe
from inverse.simulator.electron import interaction_parameter, wavelength_a
from inverse.simulator.grid import Grid

_LEARNING_RATE = 0.1  # rad a step, at first


def _probes(scan: Scan, grid: Grid) -> jax.Array:
    """Probes in focus [position, y, x], the first at the origin; norm 1."""
    rows, columns = scan.positions
    corner = (rows * scan.step_a, columns * scan.step_a)
    spectrum = probe.probe_spectrum(grid, scan.energy_ev, scan.semiangle_mrad)
    places = jnp.asarray(probe.raster((0.0, 0.0), corner, scan.positions))
    return probe.place_probes(spectrum, places, grid)


def retrieve_phase(
    patterns: jax.Array, probes: jax.Array, num_steps: int
) -> tuple[jax.Array, jax.Array]:
    """Finds the phase of one periodic object.

    Args:
      patterns: intensities [ky, kx, position] in any unit.
      probes: waves [position, y, x] of norm 1.
      num_steps: of Adam, whose steps shrink to nothing along half a cosine.

    Returns:
      (phase [y, x] in rad, up to a constant; mean squared error of the amplitudes
      before every step, as a share of the mean square of the measured ones).
    """
    amplitudes = jnp.sqrt(jnp.maximum(jnp.moveaxis(patterns, -1, 0), 0))
    mean_square = jnp.mean(amplitudes**2)
    # Electrons that no pattern holds were scattered out of the detector.
    amplitudes *= jax.lax.rsqrt(mean_square * amplitudes[0].size)

    def error(phase):
        far = jnp.fft.fft2(probes * jnp.exp(1j * phase)[None], norm="ortho")
        # The root has no slope at zero.
        found = jnp.sqrt(jnp.abs(jnp.fft.fftshift(far, (1, 2))) ** 2 + 1e-12)
        return jnp.mean((found - amplitudes) ** 2) * amplitudes[0].size

    optimizer = optax.adam(optax.cosine_decay_schedule(_LEARNING_RATE, num_steps))

    def step(carry, _):
        phase, state = carry
        value, slope = jax.value_and_grad(error)(phase)
        updates, state = optimizer.update(slope, state)
        return (optax.apply_updates(phase, updates), state), value

    start = jnp.zeros(probes.shape[1:])
    (phase, _), errors = jax.lax.scan(
        step, (start, optimizer.init(start)), None, num_steps
    )
    return phase, errors


def single_slice_phase(
    patterns: np.ndarray,
    scan: Scan,
    density_mean_va: float,
    shape: tuple[int, int],
    num_steps: int,
) -> np.ndarray:
    """Maps of the potential from a phase retrieval of every scan.

    Args:
      patterns: intensities [n, ky, kx, position].
      scan: their geometry; the probe is taken to be in focus.
      density_mean_va: mean of the training set [V Å], since the mean of a phase cannot
        be measured.
      shape: of the map.
      num_steps: of the minimisation.

    Returns:
      Projected potential [n, y, x] in V Å.
    """
    sides = patterns.shape[1:3]
    extent = 1e3 * wavelength_a(scan.energy_ev) / scan.angle_mrad
    grid = Grid((extent, extent), sides)
    probes = _probes(scan, grid)
    one = jax.jit(lambda p: retrieve_phase(p, probes, num_steps)[0])
    where = np.meshgrid(
        *(
            np.arange(s) * scan.pixel_a * n / extent
            for s, n in zip(shape, sides, strict=True)
        ),
        indexing="ij",
    )
    maps = []
    for stack in patterns:
        potential = np.asarray(one(stack)) / interaction_parameter(scan.energy_ev)
        found = ndimage.map_coordinates(potential, where, order=3, mode="grid-wrap")
        maps.append(found - found.mean() + density_mean_va)
    return np.stack(maps).astype(np.float32)
