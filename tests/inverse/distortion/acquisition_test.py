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
