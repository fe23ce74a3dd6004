"""Dense blocks are computed again where the rest would not fit, and only there."""

import pytest

from configs import stem_density
from inverse.density.memory import estimate, needs_remat


def _config(memory_gib, remat="auto", platform="gpu"):
    config = stem_density.get_config("smoke")
    config.machine.platform, config.machine.memory_gib = platform, memory_gib
    config.model.remat = remat
    return config


def test_remat_trades_what_is_kept_for_what_is_made_again():
    config = _config(80.0)
    kept, again = (estimate(config, remat=remat) for remat in (False, True))
    assert again.kept < kept.kept and again.again > 0 == kept.again
    assert (again.state, again.batch) == (kept.state, kept.batch)


def test_auto_computes_again_once_the_estimate_exceeds_nine_tenths():
    needed_gib = estimate(_config(80.0), remat=False).total / (1 << 30)
    assert not needs_remat(_config(needed_gib / 0.9 * 1.01))
    assert needs_remat(_config(needed_gib / 0.9 * 0.99))


@pytest.mark.parametrize(
    ("remat", "platform", "expected"),
    [("auto", "cpu", False), ("always", "cpu", True), ("never", "gpu", False)],
)
def test_what_is_asked_for_is_done_and_a_cpu_gains_nothing(remat, platform, expected):
    assert needs_remat(_config(1e-6, remat, platform)) == expected
