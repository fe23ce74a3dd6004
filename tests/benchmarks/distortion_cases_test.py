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
    directions,
    draw_case,
    make_simulator,
)
from configs import stem_distortion
from inverse import distortion_data, distortion_factories
from inverse.distortion_source import distortion_range
from inverse.simulator.distorted_crystal import targets_of


@pytest.fixture(scope="module")
def config():
    return stem_distortion.get_config("smoke")


def test_all_compounds_are_seen_in_all_thirds_of_the_foci(config):
    low, high = config.dataset.defocus_a
    edges, seen = np.linspace(low, high, THIRDS + 1), set()
    for number in range(3 * THIRDS):
        case = draw_case(config, number, 3)
        third = number // 3
        assert edges[third] <= case.focus_a <= edges[third + 1]
        assert config.dataset.thinnest <= int(case.depth) <= config.dataset.layers
        seen.add((int(case.oxide), third))
    assert len(seen) == 3 * THIRDS


def test_one_unit_of_a_direction_is_one_unit_of_its_target(config):
    """Fields are summarised as targets are; what is moved is the name's own."""
    channels = distortion_factories.make_channels(config)
    names = asked(channels.names)
    case = draw_case(config, 1, 3)
    depth = int(case.depth)
    units = directions(names, case)
    still = jax.tree.map(jnp.zeros_like, case.drawn)
    for number, name in enumerate(names):
        if not name.startswith("shift_B"):
            continue
        moved = still._replace(b_shift=jnp.asarray(units["B"][number]))
        targets = targets_of(moved, 0 * case.tilt, depth, config.dataset.num_moments)
        maps = distortion_data.target_of(config, targets, jnp.int32(0))
        found = np.asarray(channels.at_cells(maps[None], 2))[0] * channels.scale
        wanted = np.array([float(other == name) for other in channels.names])
        # Moments of few layers are not quite orthogonal.
        np.testing.assert_allclose(found[0, 0], wanted, atol=0.2)
        assert found[0, 0][channels.names.index(name)] > 0.8


def test_a_probe_that_is_focused_deeper_sees_deeper(config):
    """HAADF is of where the probe is narrow, iDPC of the whole column."""
    signals, _ = make_simulator(config)
    case = draw_case(config, 0, 3)
    still = jax.tree.map(jnp.zeros_like, case)._replace(
        depth=jnp.int32(config.dataset.layers), source_a=0.45
    )
    counts = distortion_range(config).counts
    seen = np.array(
        [apparent_shift(signals, still, counts, "A", f) for f in (-30.0, 0.0, 30.0)]
    )
    haadf = seen[:, list(ALONG_X).index("HAADF")]
    assert (np.diff(haadf) > 0.1).all()
