"""Columns of any zone axis: found, fitted, and their displacements told with errors."""

import csv
import json

import numpy as np
import pytest

from configs import stem_distortion
from inverse import column_map, distortion_predict
from inverse.errors import ConfigError
from inverse.motif import shortest_reciprocal_vectors
from tests.inverse.lattice_fit_test import measured

VECTORS = np.array([[30.0, 1.0], [-0.8, 21.2]])  # pixels; as [110] is seen
SITES = {(0.0, 0.0): 1.0, (0.5, 0.0): 0.4}


def seen_along_110(shift_px=0.0, noise=0.02, size=(260, 300)):
    """Strong and weak columns, of which every other strong one is displaced in y."""
    rng = np.random.default_rng(0)
    y, x = np.indices(size) + 0.5
    image = 0.2 + noise * rng.normal(size=size)
    for i in range(-4, 16):
        for j in range(-4, 18):
            for site, height in SITES.items():
                px, py = np.array([12.3, 9.7]) + (np.array([i, j]) + site) @ VECTORS
                py += shift_px * (-1) ** i if height == 1.0 else 0.0
                image += height * np.exp(
                    -((x - px) ** 2 + (y - py) ** 2) / (2 * 3.2**2)
                )
    return image.astype(np.float32)


def test_every_kind_of_column_is_found_and_its_displacements_are_measured():
    lattice, kinds = column_map.map_columns([seen_along_110(0.5)], ["HAADF"])
    np.testing.assert_allclose(lattice.vectors, VECTORS, atol=0.05)
    assert len(kinds) == 2
    apart = np.mod(kinds[1].site - kinds[0].site + 0.25, 1) - 0.25
    np.testing.assert_allclose(apart, (0.5, 0.0), atol=0.02)
    rms = [np.sqrt(np.mean(kind.shifts**2, axis=0)) for kind in kinds]
    np.testing.assert_allclose(rms[0][1], 0.5, atol=0.05)
    assert max(rms[0][0], *rms[1]) < 0.15


def test_the_error_is_how_far_fits_scatter():
    _, kinds = column_map.map_columns([seen_along_110(noise=0.05)], ["HAADF"])
    for kind in kinds:
        scatter = np.sqrt(np.mean(kind.shifts**2))
        assert scatter / 1.6 < kind.error_px < 1.6 * scatter


def test_dark_columns_are_those_of_an_annular_bright_field():
    image = seen_along_110()
    _, bright = column_map.map_columns([image, -image], ["HAADF", "ABF"])
    assert [kind.detector for kind in bright] == ["HAADF"] * 2 + ["ABF"] * 2
    np.testing.assert_allclose(bright[2].places, bright[0].places, atol=0.02)


def test_noise_shows_no_lattice():
    flat = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
    with pytest.raises(ConfigError, match="--input"):
        column_map.map_columns([flat], ["HAADF"])
    square = measured()[0]
    assert shortest_reciprocal_vectors(square).shape == (2, 2)


@pytest.mark.parametrize(("pixel_a", "unit"), [(0.13, "pm"), (0.0, "px")])
def test_another_zone_axis_is_mapped_without_a_network(tmp_path, pixel_a, unit, caplog):
    np.save(tmp_path / "image.npy", seen_along_110(0.5))
    config = stem_distortion.get_config("smoke")
    config.prediction.pixel_a = pixel_a
    file = str(tmp_path / "image.npy")
    target = distortion_predict.predict(config, str(tmp_path), "latest", file)
    summary = json.loads(target.read_text())
    assert summary["unit"] == unit and "[001]" in summary["warnings"][0]
    assert "[001]" in caplog.text
    rows = list(csv.DictReader(target.with_suffix(".csv").read_text().splitlines()))
    shifts = [float(row[f"dy_{unit}"]) for row in rows if row["kind"] == "0"]
    expected = 0.5 * (100 * pixel_a or 1.0)
    assert np.median(np.abs(shifts)) == pytest.approx(expected, rel=0.1)
    assert target.with_suffix(".png").stat().st_size > 10_000
