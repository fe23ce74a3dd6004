"""Tilt systems of perovskites in Glazer's notation, as rotations of octahedra.

A tilt about an axis repeats along that axis ("+", in phase) or alternates ("-", out of
phase); across the axis it always alternates, because octahedra share corners
(Glazer, Acta Crystallogr. B 28, 3384, 1972). The pattern of signs "+-0" stands for
in phase about x, out of phase about y, none about z.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

PHASES = ("+", "-")


def glazer_signs(shape: tuple[int, int, int]) -> np.ndarray:
    """Signs of both phases about each axis [x, y, z, axis, phase], 1 or -1."""
    parity = [(-1.0) ** index for index in np.indices(shape)]
    alternating = np.prod(parity, axis=0)
    # (-1)^(j + k) is (-1)^(i + j + k) without the axis' own alternation.
    pairs = [(alternating * parity[axis], alternating) for axis in range(3)]
    return np.moveaxis(np.array(pairs), (0, 1), (-2, -1))


def tilt_amplitudes(system: str, angles_deg: tuple[float, float, float]) -> np.ndarray:
    """Amplitudes [axis, phase] in degrees of a system such as "--+".

    Raises:
      ValueError: the system is not three of "0", "+" and "-".
    """
    if len(system) != 3 or not set(system) <= {"0", *PHASES}:
        raise ValueError(f"system={system!r}: write three of 0, + and -, such as --+.")
    amplitudes = np.zeros((3, 2))
    for axis, phase in enumerate(system):
        if phase != "0":
            amplitudes[axis, PHASES.index(phase)] = angles_deg[axis]
    return amplitudes


def all_systems() -> tuple[str, ...]:
    """The 27 patterns of signs, in the order of `glazer_class`."""
    return tuple("".join(signs) for signs in itertools.product("-0+", repeat=3))


def rotations(amplitudes: jax.Array) -> jax.Array:
    """Rotation vectors [x, y, z, axis] of amplitudes [x, y, z, axis, phase]."""
    return jnp.sum(amplitudes * glazer_signs(amplitudes.shape[:3]), axis=-1)


def glazer_amplitudes(rotation: jax.Array) -> jax.Array:
    """Amplitudes [x, y, z, axis, phase] of rotation vectors [x, y, z, axis].

    Exact where amplitudes are constant or linear in position, z being open: the first
    and the last cell along it are extrapolated.
    """
    signs = glazer_signs(rotation.shape[:3])
    parts = []
    for axis in range(3):
        # Signed for "+", a "-" tilt alternates along the axis, and the reverse:
        # the average over neighbours removes the other phase.
        signed = rotation[..., axis, None] * signs[..., axis, :]
        parts.append(_mean_of_neighbours(signed, axis))
    return jnp.stack(parts, axis=-2)


def _mean_of_neighbours(field: jax.Array, axis: int) -> jax.Array:
    if axis < 2:
        around = jnp.roll(field, 1, axis) + jnp.roll(field, -1, axis)
        return (2 * field + around) / 4
    if field.shape[2] < 4:
        raise ValueError(f"{field.shape[2]} cells along the beam: 4 are the least.")
    inner = (field[:, :, :-2] + 2 * field[:, :, 1:-1] + field[:, :, 2:]) / 4
    first = 2 * inner[:, :, :1] - inner[:, :, 1:2]
    last = 2 * inner[:, :, -1:] - inner[:, :, -2:-1]
    return jnp.concatenate([first, inner, last], axis=2)
