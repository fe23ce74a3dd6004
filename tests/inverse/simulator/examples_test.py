import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.simulator import crystals, examples, specimen
from inverse.simulator.errors import SimulatorError
from tests.inverse.simulator.crystals_at_hand import silicon, strontium_titanate

SMALL = {"image_size": 32, "scan_size": 2, "extent_a": 12.0}


@pytest.fixture(scope="module")
def two_crystals():
    cells = [strontium_titanate(), silicon()]
    return crystals.stack_crystals([specimen.orient(c) for c in cells], 12.0)


def test_an_example_is_a_function_of_its_key_alone(two_crystals):
    example = jax.jit(jax.vmap(examples.make_example_fn(two_crystals, **SMALL)))
    keys = jax.random.split(jax.random.key(0), 4)
    both, reverse = example(keys), example(keys[::-1])
    assert both["patterns"].shape == (4, 32, 32, 4)
    assert both["density"].shape == (4, 32, 32)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(both["density"], reverse["density"][::-1], **close)
    # Where a mean differs in its last bit, a count may be the next number.
    same = np.isclose(both["patterns"], reverse["patterns"][::-1], **close)
    assert same.mean() > 0.999
    assert not np.allclose(both["density"][0], both["density"][1])


def test_patterns_hold_the_electrons_that_the_detector_catches(two_crystals):
    quiet = examples.Ranges(log10_dose=None)
    example = examples.make_example_fn(
        two_crystals, **SMALL, ranges=quiet, scaling="none"
    )
    patterns = jax.jit(example)(jax.random.key(1))["patterns"]
    caught = patterns.sum(axis=(0, 1)) / 32**2
    assert np.all(caught < 1 + 1e-4) and np.all(caught > 0.8)


def test_the_density_is_the_projected_potential_on_an_absolute_scale(two_crystals):
    """Its mean is the mean inner potential of the crystal times its thickness."""
    ranges = examples.Ranges(
        thickness_a=(39.05, 39.05), tilt_mrad=(0.0, 0.0), rms_a=(0.0, 0.0)
    )
    one = crystals.stack_crystals([strontium_titanate()], 40.0)
    example = examples.make_example_fn(
        one,
        image_size=64,
        scan_size=1,
        extent_a=40.0,
        ranges=ranges,
        scan_fraction=0.7,
    )
    density = jax.jit(example)(jax.random.key(2))["density"]
    # 22.3 V, with the scanned area's edges.
    assert jnp.mean(density) == pytest.approx(22.3 * 39.05e-3, rel=0.03)


def test_a_range_that_is_reversed_is_refused():
    with pytest.raises(SimulatorError, match="thickness_a.*lower value comes first"):
        examples.Ranges(thickness_a=(50.0, 20.0))


def test_an_unknown_scaling_is_refused_before_the_first_example(two_crystals):
    with pytest.raises(SimulatorError, match="scaling='cubic'"):
        examples.make_example_fn(two_crystals, **SMALL, scaling="cubic")
