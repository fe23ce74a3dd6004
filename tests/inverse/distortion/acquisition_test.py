import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inverse.distortion import library
from inverse.distortion.acquisition import Acquisition, as_input, presence, record
from parallel.preemption import Stopped, StopRequests

STILL = Acquisition(
    source_rms_a=(0.4, 0.4),
    log10_dose=(4.0, 4.0),
    line_jitter_a=0.0,
    origin_a=0.0,
    phonon_rms_a=0.0,
    semiangle_mrad=27.0,
    detector_sets=("HAADF",),
    detector_weights=(1.0,),
)
SIDE_A, PIXELS = 8.0, 40


def test_counts_have_the_mean_and_the_spread_of_the_dose():
    flat = jnp.full((PIXELS, PIXELS, 4), 0.5).at[..., 2:].set(0.0)
    images = np.asarray(record(jax.random.key(0), flat, SIDE_A, STILL))
    electrons = 1e4 * (SIDE_A / PIXELS) ** 2
    # 1600 pixels tell a mean to 1/40 of the spread, and a variance to 4 %.
    for channel in (0, 1):
        spread = np.sqrt(0.5 / electrons)
        assert abs(images[..., channel].mean() - 0.5) < 4 * spread / PIXELS
        np.testing.assert_allclose(images[..., channel].std(), spread, rtol=0.1)


def test_a_source_blurs_a_wave_by_its_transfer_function():
    x = jnp.arange(PIXELS) / PIXELS
    wave = 0.5 + 0.3 * jnp.cos(2 * jnp.pi * 3 * x)
    signals = jnp.broadcast_to(wave[None, :, None], (PIXELS, PIXELS, 4))
    loud = Acquisition(**{**vars(STILL), "log10_dose": (9.0, 9.0)})
    image = np.asarray(record(jax.random.key(1), signals, SIDE_A, loud))[..., 0]
    kept = np.exp(-2 * (np.pi * 0.4 * 3 / SIDE_A) ** 2)
    expected = np.broadcast_to(0.5 + kept * (wave - 0.5), image.shape)
    np.testing.assert_allclose(image, expected, atol=2e-3)


def _recorded(signals, seed=3, **settings):
    """Of a dose at which counts tell no more than the signals."""
    loud = Acquisition(**{**vars(STILL), "log10_dose": (9.0, 9.0), **settings})
    return np.asarray(record(jax.random.key(seed), signals, SIDE_A, loud))


def _column():
    """One Gaussian column in both rings, and no deflection."""
    y, x = np.indices((PIXELS, PIXELS)) * SIDE_A / PIXELS - SIDE_A / 2
    spot = np.exp(-(x**2 + y**2) / (2 * 0.5**2)) + 0.1
    return jnp.asarray(np.stack([spot, spot, 0 * spot, 0 * spot], -1), jnp.float32)


def test_thermal_motion_blurs_the_dark_field_alone():
    still, warm = (_recorded(_column(), phonon_rms_a=a) for a in (0.0, 0.3))
    assert warm[..., 0].max() < 0.9 * still[..., 0].max()
    np.testing.assert_allclose(warm[..., 1], still[..., 1], atol=5e-3)


def test_the_origin_is_missed_by_as_much_as_is_said():
    def centre(image):
        weight = image - image.min()
        axis = np.arange(PIXELS) * SIDE_A / PIXELS
        return np.array([weight.sum(0) @ axis, weight.sum(1) @ axis]) / weight.sum()

    still = centre(_recorded(_column())[..., 1])
    moved = [
        centre(_recorded(_column(), seed=n, origin_a=0.2)[..., 1]) - still
        for n in range(40)
    ]
    assert np.std(moved) == pytest.approx(0.2, rel=0.25)


def test_rows_jump_by_as_much_as_is_said():
    """On a slope along x a row that is displaced is another one's values."""
    x = jnp.arange(PIXELS) / PIXELS
    wave = 0.5 + 0.4 * jnp.sin(2 * jnp.pi * x)
    signals = jnp.broadcast_to(wave[None, :, None], (PIXELS, PIXELS, 4))
    jumped = _recorded(signals, line_jitter_a=0.1, source_rms_a=(0.0, 0.0))[..., 1]
    steepest = 0.4 * 2 * np.pi / SIDE_A
    assert jumped[:, 0].std() == pytest.approx(0.1 * steepest, rel=0.3)
    assert jumped[:, PIXELS // 4].std() < 0.05 * 0.1 * steepest
    assert _recorded(signals)[..., 1].std(axis=0).max() < 1e-3


def test_few_electrons_make_the_integrated_deflection_noisy():
    quiet, noisy = (_recorded(_column(), log10_dose=(d, d))[..., 2] for d in (6.0, 4.0))
    # No deflection: all is noise, ten times as much of a hundredth of the electrons.
    assert noisy.std() == pytest.approx(10 * quiet.std(), rel=1e-3)


def test_gain_and_offset_of_a_detector_change_nothing():
    images = jax.random.normal(jax.random.key(2), (3, 16, 16, 3))
    present = jnp.asarray(np.stack([presence("HAADF+iDPC")] * 3))
    seen = as_input(images, present, 8)
    again = as_input(5 * images - 2, present, 8)
    np.testing.assert_allclose(seen, again, atol=1e-4)
    assert np.asarray(seen)[..., 1].any() == np.asarray(seen)[..., 4].any() == False  # noqa: E712
    np.testing.assert_allclose(seen[..., 3], 1.0)
    # Where a pixel lies in its cell repeats with the cell.
    np.testing.assert_allclose(seen[:, :8, 8:, 6:], seen[:, 8:, :8, 6:], atol=1e-6)
    assert len(np.unique(np.round(seen[0, :8, :8, 6:].reshape(64, 4), 4), axis=0)) == 64


def test_a_library_that_was_cut_short_is_completed_and_never_made_again(tmp_path):
    made = []

    def make(numbers):
        made.append(numbers[:, 1].tolist())
        return {"value": numbers[:, 1].astype(np.float32) ** 2}

    whole = library.open_library(tmp_path, make, 6, 4)
    np.testing.assert_array_equal(whole["value"], np.arange(6.0) ** 2)
    first, second = sorted(tmp_path.glob("*.npz"))
    second.rename(second.with_suffix(".1.partial"))  # stopped while writing
    again = library.open_library(tmp_path, make, 8, 4)
    np.testing.assert_array_equal(again["value"], np.arange(8.0) ** 2)
    assert made == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7]]
    assert first.exists()


def test_a_library_that_is_asked_to_stop_keeps_what_it_has(tmp_path):
    def make(numbers):
        os.kill(os.getpid(), signal.SIGTERM)
        return {"value": numbers[:, 1].astype(np.float32)}

    with StopRequests(), pytest.raises(Stopped):
        library.open_library(tmp_path, make, 12, 4)
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_what_changes_the_crystals_changes_the_librarys_name():
    dataset = {"layers": 8, "log10_dose": (3, 4)}
    name = library.library_name(dataset, 0, "train")
    noisier = {**dataset, "log10_dose": (2, 3)}
    assert library.library_name(noisier, 0, "train") == name
    for other in (
        library.library_name({**dataset, "layers": 9}, 0, "train"),
        library.library_name(dataset, 1, "train"),
        library.library_name(dataset, 0, "validation"),
    ):
        assert other != name
