"""A small, honest example: random thin phase objects under a scanned probe."""

import jax
import jax.numpy as jnp

from inverse.density.data import Source
from inverse.scan.geometry import Scan
from inverse.simulator.electron import interaction_parameter, wavelength_a

SIDE, POSITIONS, PIXEL_A, ENERGY_EV, SEMIANGLE_MRAD = 16, 4, 0.5, 100e3, 20.0
LAMBDA_A = wavelength_a(ENERGY_EV)
SCAN = Scan(
    positions=(POSITIONS, POSITIONS),
    step_a=PIXEL_A * SIDE / POSITIONS,
    pixel_a=PIXEL_A,
    angle_mrad=1e3 * LAMBDA_A / (SIDE * PIXEL_A),
    energy_ev=ENERGY_EV,
    semiangle_mrad=SEMIANGLE_MRAD,
)


def _probe():
    k = jnp.fft.fftfreq(SIDE, PIXEL_A)
    inside = k[:, None] ** 2 + k[None] ** 2 < (1e-3 * SEMIANGLE_MRAD / LAMBDA_A) ** 2
    wave = jnp.fft.ifft2(inside.astype(jnp.complex64))
    return wave / jnp.sqrt(jnp.sum(jnp.abs(wave) ** 2))


def example(key, num_atoms=3, height_va=150.0):
    """Gaussian columns at random places: {"patterns" [y, x, c], "density" [y, x]}."""
    place_key, height_key = jax.random.split(key)
    places = jax.random.uniform(place_key, (num_atoms, 2), maxval=SIDE)
    heights = height_va * jax.random.uniform(height_key, (num_atoms,), minval=0.5)
    axis = jnp.arange(SIDE)
    apart = axis[None, :] - places[:, :, None].reshape(-1, 1)
    apart = (apart + SIDE / 2) % SIDE - SIDE / 2
    bells = jnp.exp(-0.5 * (apart * PIXEL_A / 0.8) ** 2).reshape(num_atoms, 2, SIDE)
    density = jnp.einsum("a,ay,ax->yx", heights, bells[:, 0], bells[:, 1])
    objects = jnp.exp(1j * interaction_parameter(ENERGY_EV) * density)
    shifts = jnp.arange(POSITIONS) * SIDE // POSITIONS

    def pattern(row, column):
        probe = jnp.roll(_probe(), (shifts[row], shifts[column]), (0, 1))
        far = jnp.fft.fftshift(jnp.fft.fft2(probe * objects, norm="ortho"))
        return jnp.abs(far) ** 2

    rows, columns = jnp.divmod(jnp.arange(POSITIONS**2), POSITIONS)
    patterns = jax.vmap(pattern)(rows, columns)
    return {"patterns": patterns.transpose(1, 2, 0), "density": density}


def open_source(config):
    """Stands in for `inverse.data.open_source`."""
    del config
    return Source(
        {"train": example, "materials": lambda key: example(key, height_va=120.0)},
        SCAN,
        {},
    )
