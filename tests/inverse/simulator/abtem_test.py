"""Agreement with abTEM, where `make peers` has installed it."""

import os
import pathlib

import pytest

from benchmarks import abtem_peer, simulator_agreement

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def python():
    path = pathlib.Path(os.environ.get("ABTEM_PYTHON", ROOT / abtem_peer.PYTHON))
    if not path.exists():
        pytest.skip("abTEM is not installed: make peers")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("case", list(simulator_agreement.CASES))
def test_patterns_agree_with_abtem(case, python):
    """On its own slices to rounding; on ours to what it interpolates."""
    found = simulator_agreement.compare(case, python)
    assert found["cbed_on_abtem_slices"] < 1e-5
    assert found["cbed_on_own_slices"] < 5e-3
    assert found["haadf_on_abtem_slices"] < 1e-3
    # With what its potentials hold of the grid and ours do not.
    assert found["potential_with_factor"] < 5e-5
    assert found["cbed_with_factor"] < 1e-5
    assert found["haadf_largest_with_factor"] < 1e-3
