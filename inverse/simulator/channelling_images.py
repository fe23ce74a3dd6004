"""Fast micrographs of small periodic crystals, noise-free: HAADF, ABF and deflection.

The plane waves of the aperture travel once, on a grid that keeps bright-field angles.
Every image is a quadratic form in them, sum_bb' a_b a*_b' G_bb' exp(...), so that
one small matrix G per detector holds the images of all aberrations of one crystal.
HAADF counts the electrons that meet each nucleus, times the atom's cross-section: the
waves channel as in multislice, and scatter to large angles incoherently (in the manner
of Ishizuka, Ultramicroscopy 90, 71, 2002). Thermal motion blurs potentials, and HAADF.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inverse.simulator.crystal_images import Slices
from inverse.simulator.grid import Grid
from inverse.simulator.potential import projected_potential

SIGNALS = ("HAADF", "ABF", "deflection x", "deflection y")
# Points of the grid along one axis that a wave between them is interpolated from.
_POINTS = 6


class Grams(NamedTuple):
    """The images of one crystal [beam, beam] complex64.

    Attributes:
      rings: HAADF, and i times ABF.
      deflection: along x, and i times along y, mrad.
    """

    rings: jax.Array
    deflection: jax.Array


def _lagrange(place: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Grid points and weights [..., point] that interpolate at `place` [...]."""
    first = jnp.floor(place).astype(jnp.int32) - (_POINTS // 2 - 1)
    offset = place - first
    nodes = np.arange(_POINTS)
    weights = []
    for node in nodes:
        others = np.delete(nodes, node)
        factor = jnp.ones_like(place)
        for other in others:
            factor = factor * (offset - other) / (node - other)
        weights.append(factor)
    index = first[..., None] + nodes.reshape((1,) * place.ndim + (-1,))
    return index, jnp.stack(weights, axis=-1)


def _atoms(slices: Slices, cross_section: jax.Array):
    """Positions [slice, atom, (x, y)] of atoms and their cross-sections, packed.

    A slice holds A or B besides oxygen: the two share their places.
    """
    per_cell = slices.positions_a.shape[2] // 2
    heavy = slices.positions_a[:, :2, :per_cell]
    is_a = slices.weights[:, :1, :per_cell] > 0
    cations = jnp.where(is_a[..., None], heavy[:, :1], heavy[:, 1:])[:, 0]
    strength = slices.weights * cross_section[None, :, None]
    return (
        jnp.concatenate([cations, slices.positions_a[:, 2]], axis=1),
        jnp.concatenate(
            [strength[:, :2, :per_cell].sum(axis=1), strength[:, 2]], axis=1
        ),
    )


def crystal_grams(
    tables: dict[str, jax.Array],
    slices: Slices,
    thickness_a: jax.Array,
    num_slices: jax.Array,
    *,
    batch_size: int,
) -> Grams:
    """Sends the aperture's plane waves through a crystal.

    Args:
      tables: of its compound, see channelling_tables.
      slices: its atoms, padded.
      thickness_a: of a slice [].
      num_slices: that exist [].
      batch_size: plane waves that travel together.
    """
    side, limit = tables["side_a"], jnp.asarray(tables["limit"])
    gpts = limit.shape[0]
    unit = Grid((1.0, 1.0), (gpts, gpts))
    propagate = limit * jnp.exp(1j * thickness_a * tables["fresnel"])
    places, strength = _atoms(slices, tables["cross_section"])
    exists = jnp.arange(len(places)) < num_slices
    strength = strength * exists[:, None]
    index, weight = _lagrange(places / side * gpts)
    index = index % gpts
    patch = weight[..., 1, :, None] * weight[..., 0, None, :]

    def transmit(layer):
        potential = projected_potential(*layer, tables["factors"], unit)
        wave = jnp.exp(1j * tables["sigma"] * potential)
        return jnp.fft.ifft2(limit * jnp.fft.fft2(wave))

    layers = jax.lax.map(transmit, (slices.positions_a / side, slices.weights))
    beams, seen = (jnp.asarray(tables[name]) for name in ("beams", "seen"))

    def travel(chunk):
        """Waves [slice, beam, atom] at atoms, and far fields [beam, pixel]."""
        row, column = (
            jnp.exp(2j * jnp.pi / gpts * ((c[:, None] * jnp.arange(gpts)[None]) % gpts))
            for c in chunk
        )
        # Whatever devices the crystal varies over, the first waves vary over too.
        waves = row[:, :, None] * column[:, None, :] + 0 * thickness_a
        met = jnp.zeros((len(places), chunk.shape[1], places.shape[1]), jnp.complex64)
        met = met + 0 * thickness_a

        def step(i, carry):
            waves, met = carry
            near = waves[:, index[i, :, 1, :, None], index[i, :, 0, None, :]]
            at = jnp.sum(near * patch[i][None], axis=(2, 3))
            far = jnp.fft.fft2(waves * layers[i][None])
            return jnp.fft.ifft2(propagate[None] * far), met.at[i].set(at)

        waves, met = jax.lax.fori_loop(0, num_slices, step, (waves, met))
        far = jnp.fft.fft2(waves, norm="forward")
        return met, far[:, seen[0], seen[1]]

    chunks = _in_chunks(beams, batch_size)
    met, far = jax.lax.map(travel, chunks)
    count = beams.shape[1]
    # [chunk, slice, beam, atom] to [beam, slice and atom].
    met = jnp.moveaxis(met, 1, 2).reshape(-1, met.shape[1] * met.shape[3])[:count]
    far = far.reshape(-1, far.shape[-1])[:count]
    density = strength.reshape(-1) / side**2
    rings = _gram(met, density) + 1j * _gram(far, tables["abf"])
    return Grams(rings, _gram(far, tables["deflection"]))


def _in_chunks(beams: jax.Array, size: int) -> jax.Array:
    """Beams [2, n] as [chunk, 2, size]; the last one is filled with the first beam."""
    missing = -beams.shape[1] % size
    padded = jnp.concatenate([beams, beams[:, :1].repeat(missing, axis=1)], axis=1)
    return jnp.moveaxis(padded.reshape(2, -1, size), 1, 0)


def _gram(amplitudes: jax.Array, weights: jax.Array) -> jax.Array:
    """sum_n a_bn w_n a*_b'n."""
    return jnp.matmul(amplitudes * weights[None], amplitudes.conj().T)


def scan_images(
    tables: dict[str, jax.Array],
    grams: Grams,
    defocus_a: jax.Array,
    origin: jax.Array,
    pixels: int,
) -> jax.Array:
    """Images [y, x, signal] of the whole crystal, in the order of SIGNALS.

    Args:
      tables: of its compound.
      grams: of the crystal.
      defocus_a: of the probe [].
      origin: place of the image's corner in the crystal [(x, y)], shares of its side.
      pixels: of the image's side.
    """
    beams = np.asarray(tables["beams"])
    first = origin + 0.5 / pixels
    turns = beams[1] * first[0] + beams[0] * first[1]
    phase = defocus_a * tables["chi"] - 2 * jnp.pi * jnp.mod(turns, 1.0)
    wave = tables["opening"] * jnp.exp(1j * phase)
    # exp(-2 pi i (b - b').r): the frequency of a product is b' - b.
    row, column = ((b[None, :] - b[:, None]) % pixels for b in beams)
    place = (row * pixels + column).ravel()

    def image(gram):
        products = (wave[:, None] * wave.conj()[None, :] * gram).ravel()
        sums = jnp.zeros(pixels**2, jnp.complex64).at[place].add(products)
        return jnp.fft.ifft2(sums.reshape(pixels, pixels), norm="forward")

    rings, deflection = image(grams.rings), image(grams.deflection)
    return jnp.stack(
        [rings.real, rings.imag, deflection.real, deflection.imag], axis=-1
    )
