"""Operating points of the sensitivity studies are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.distortion_cases import (
    ALONG_X,
    THIRDS,
    apparent_shift,
    asked,
    blurred,
    directions,
    draw_case,
    held_out_oxides,
    make_simulator,
    third_of,
)
from configs import stem_distortion
from inverse.distortion import data as distortion_data
from inverse.distortion import factories as distortion_factories
from inverse.distortion.source import distortion_range
from inverse.simulator.distorted_crystal import targets_of
from inverse.simulator.glazer import rotations
from inverse.simulator.oxides import load_oxides
from inverse.simulator.perovskite import Distortions


@pytest.fixture(scope="module")
def config():
    return stem_distortion.get_config("smoke")


def test_each_compound_is_seen_in_all_thirds_of_the_foci(config):
    low, high = config.dataset.defocus_a
    edges, seen = np.linspace(low, high, THIRDS + 1), set()
    for number in range(3 * THIRDS):
        case = draw_case(config, number, (2, 5, 7))
        third = third_of(number, (2, 5, 7))
        assert int(case.oxide) == (2, 5, 7)[number % 3]
        assert edges[third] <= case.focus_a <= edges[third + 1]
        assert config.dataset.thinnest <= int(case.depth) <= config.dataset.layers
        seen.add((int(case.oxide), third))
    assert len(seen) == 3 * THIRDS


def test_bounds_are_of_the_compounds_whose_errors_they_stand_beside(config):
    formulas = [oxide.formula for oxide in load_oxides()]
    held = {formulas[number] for number in held_out_oxides(config)}
    assert held == set(config.dataset.held_out)


def _counts_otherwise(name: str, other: str) -> bool:
    """Whether both are tilts about one axis, one alike in all layers and one not."""
    one, two = (n.split("_")[:3] for n in (name, other))
    return one[0] == two[0] == "tilt" and one[2] == two[2] and one[1] != two[1]


@pytest.fixture(scope="module")
def case(config):
    return draw_case(config, 1, (0, 1, 2))


def test_one_unit_of_a_direction_is_one_unit_of_its_target_and_of_no_other(
    config, case
):
    """Fields are summarised as targets are; what is moved is the name's own."""
    channels = distortion_factories.make_channels(config)
    names, depth = asked(channels.names), int(case.depth)
    units = directions(names, case)
    still = jax.tree.map(jnp.zeros_like, case.drawn)
    for number, name in enumerate(names):
        kinds = ("tilt", "A", "B", "O")
        moved = [
            field + units[kind][number]
            for field, kind in zip(still, kinds, strict=True)
        ]
        fields = Distortions(*moved)
        targets = targets_of(fields, 0 * case.tilt, depth, config.dataset.num_moments)
        maps = distortion_data.target_of(config, targets, jnp.int32(0))
        found = np.asarray(channels.at_cells(maps[None], 2))[0] * channels.scale
        wanted = np.array([float(other == name) for other in channels.names])
        # Few layers of a constant have a slope once every second one is turned round.
        told = np.array([not _counts_otherwise(name, o) for o in channels.names])
        # Tilts, and A beside A, alternate from cell to cell.
        every = np.broadcast_to(wanted, found.shape)
        np.testing.assert_allclose(
            np.abs(found)[..., told], every[..., told], atol=1e-4
        )
        if "_A_" in name and "_P0_" in name:  # else the origin would move
            assert abs(units["A"][number].mean()) < 1e-9


def test_a_tilt_keeps_the_phase_that_its_crystal_has(config):
    seen = set()
    for number in range(6):
        case = draw_case(config, number, (0,))
        names = [f"tilt_alternating_{axis}_P0_deg" for axis in "xy"]
        units = directions(tuple(names), case)["tilt"]
        amplitudes = np.asarray(case.tilt)
        for axis in range(2):
            sizes = np.abs(amplitudes[..., axis, :]).max(axis=(0, 1, 2))
            if not sizes.any():
                continue
            phase = int(sizes.argmax())
            one = np.zeros_like(amplitudes)
            one[..., axis, phase] = np.deg2rad(1.0)
            there = slice(int(case.depth))
            np.testing.assert_allclose(
                units[axis][:, :, there], rotations(one)[:, :, there], atol=1e-6
            )
            seen.add((axis, phase))
    assert len(seen) > 2


def test_cases_are_drawn_over_thickness_source_and_strain(config):
    cases = [draw_case(config, number, (0,)) for number in range(12)]
    assert len({int(case.depth) for case in cases}) > 1
    low, high = config.dataset.source_rms_a
    sizes = [case.source_a for case in cases]
    assert low <= min(sizes) < max(sizes) <= high
    assert np.ptp([case.strain[0] for case in cases]) > 0.01


def test_a_larger_source_blurs_every_signal(config, case):
    names = ("shift_B_x_P0_pm",)
    units, (signals, _) = directions(names, case), make_simulator(config)
    sharp, wide = (
        np.asarray(signals(case, units, jnp.zeros(1), jnp.array([0, 0, 0, source])))
        for source in (0.3, 0.6)
    )
    assert (wide.std(axis=(0, 1)) < 0.8 * sharp.std(axis=(0, 1))).all()


def test_phonons_blur_haadf_besides_and_nothing_else():
    waves = np.cos(2 * np.pi * np.arange(16) / 16)[None, :, None] * np.ones((16, 1, 4))
    seen = np.asarray(blurred(waves, 8.0, 0.3, 0.4))
    for channel, rms in enumerate((0.5, 0.3, 0.3, 0.3)):
        left = np.exp(-2 * (np.pi * rms / 8.0) ** 2)
        np.testing.assert_allclose(
            seen[..., channel], left * waves[..., channel], atol=1e-5
        )


def test_idpc_along_x_is_the_deflection_that_changes_sign_along_x(config):
    signals, _ = make_simulator(config)
    still = jax.tree.map(jnp.zeros_like, draw_case(config, 0, (0,)))._replace(
        depth=jnp.int32(config.dataset.layers)
    )
    units = directions(("shift_B_x_P0_pm",), still)
    nuisances = jnp.array([0.0, 0.0, 0.0, 0.45], jnp.float32)
    seen = np.asarray(signals(still, units, jnp.zeros(1), nuisances))
    row = seen[0]  # through the columns of A
    along, across = (np.ptp(row[:, n]) for n in (ALONG_X["iDPC"], 5 - ALONG_X["iDPC"]))
    assert along > 5 * across


def test_a_probe_that_is_focused_deeper_sees_deeper(config):
    """HAADF is of where the probe is narrow, iDPC of the whole column."""
    signals, _ = make_simulator(config)
    case = draw_case(config, 0, (0, 1, 2))
    still = jax.tree.map(jnp.zeros_like, case)._replace(
        depth=jnp.int32(config.dataset.layers), source_a=0.45
    )
    counts = distortion_range(config).counts
    seen = np.array(
        [apparent_shift(signals, still, counts, "A", f) for f in (-30.0, 0.0, 30.0)]
    )
    haadf = seen[:, list(ALONG_X).index("HAADF")]
    assert (np.diff(haadf) > 0.1).all()
