import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion.acquisition import presence
from inverse.distortion.channels import Channels
from inverse.distortion.column_features import column_features
from inverse.distortion.targets import TargetMap, to_pixels
from inverse.simulator.distorted_crystal import Targets
from tests.inverse.micrograph.column_fit_test import CELL, COUNTS, PIXELS, picture

CHANNELS = Channels(num_moments=3, tilt_scale_deg=3.0, shift_scale_pm=10.0)


def cells(rng) -> Targets:
    return Targets(
        rotation=jnp.asarray(rng.normal(size=(4, 2, 3, 2, 3)), jnp.float32),
        tilt=jnp.zeros((4, 2, 3, 3, 2)),
        shift=jnp.asarray(rng.normal(size=(4, 2, 3, 3, 3)), jnp.float32),
    )


@pytest.mark.parametrize("pixels_per_cell", [2, 8])
def test_what_is_read_at_cells_is_what_was_spread_over_pixels(pixels_per_cell):
    targets = cells(np.random.default_rng(0))
    maps = CHANNELS.of(to_pixels(targets, pixels_per_cell))
    found = np.asarray(CHANNELS.at_cells(maps[None], pixels_per_cell))[0]
    found = found * CHANNELS.scale
    for channel, name in enumerate(CHANNELS.names):
        kind, what, axis, moment, _ = name.split("_")
        a, m = "xyz".index(axis), int(moment[1])
        if kind == "tilt":
            beam = ("repeating", "alternating").index(what)
            expected = targets.rotation[:, :, m, beam, a]
        else:
            expected = 100 * targets.shift[:, :, m, "ABO".index(what), a]
        # Maps have rows first.
        np.testing.assert_allclose(found[..., channel], expected.T, rtol=1e-5)


def test_channels_that_are_always_zero_are_not_asked_for():
    assert "tilt_repeating_x_P0_deg" not in CHANNELS.names
    assert "tilt_alternating_x_P0_deg" in CHANNELS.names
    assert len(CHANNELS.names) == len(set(CHANNELS.names)) == 33
    flat = TargetMap(jnp.zeros((8, 8, 3, 2, 3)), jnp.zeros((8, 8, 3, 3, 3)))
    assert CHANNELS.of(flat).shape == (8, 8, 33)


def test_fitted_oxygens_tell_how_octahedra_turn_about_the_beam():
    """Rigid squares of oxygen about B, turned alternately and moved together."""
    turn, moved = np.deg2rad(4.0), np.array([0.06, -0.04])
    i, j = np.indices(COUNTS)
    sign = (-1.0) ** (i + j)
    corner = np.stack([i, j], axis=-1) * CELL
    # The oxygen left of octahedron (i, j) lies at -x: turned by +angle it moves to -y.
    along = turn * CELL / 2 * sign
    left = corner + [0, CELL / 2] + np.stack([0 * along, -along], -1) + moved
    below = corner + [CELL / 2, 0] + np.stack([along, 0 * along], -1) + moved
    b_shift = np.array([0.1, 0.05])
    places = [corner, corner + CELL / 2 + b_shift, left, below]
    heights = np.repeat([1.0, 0.6, 0.35, 0.35], np.prod(COUNTS))
    image = picture(np.concatenate([p.reshape(-1, 2) for p in places]), heights, 0.3)
    images = np.repeat(image[None, ..., None], 3, axis=-1).astype(np.float32)
    found = column_features(
        images,
        presence("ABF"),
        np.array([COUNTS[0] * CELL], np.float32),
        CHANNELS.names,
        COUNTS,
    )[0]

    def values(name, way=0):
        return found[..., CHANNELS.names.index(name), way]

    np.testing.assert_allclose(
        values("tilt_repeating_z_P0_deg"), 4.0 * sign.T, atol=0.3
    )
    for axis, pm in (("x", 6), ("y", -4)):
        np.testing.assert_allclose(values(f"shift_O_{axis}_P0_pm"), pm, atol=1.0)
    np.testing.assert_allclose(values("shift_B_x_P0_pm"), 10, atol=1.0)
    # A slope along the beam is looked for where its column is, a tilt across nowhere.
    np.testing.assert_array_equal(values("shift_B_x_P1_pm"), values("shift_B_x_P0_pm"))
    assert not values("tilt_alternating_x_P0_deg").any()
    # First moments are proportional to the same.
    turned = values("tilt_repeating_z_P0_deg", way=1) * sign.T
    assert turned.min() > 0.5 * turned.max() > 0
    assert PIXELS * COUNTS[1] == image.shape[0]


def test_what_a_quarter_turn_exchanges_is_alike():
    channels = Channels(3, 3.0, 10.0)
    names, alike = channels.names, channels.alike
    for one, number in zip(names, alike, strict=True):
        turned = "_".join({"x": "y", "y": "x"}.get(p, p) for p in one.split("_"))
        together = {n for n, a in zip(names, alike, strict=True) if a == number}
        assert together == {one, turned}
