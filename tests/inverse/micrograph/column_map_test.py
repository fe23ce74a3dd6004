"""Columns of any zone axis: found, fitted, and their displacements told with errors."""

import csv
import json

import numpy as np
import pytest

from configs import stem_distortion
from inverse.distortion import predict as distortion_predict
from inverse.errors import ConfigError
from inverse.micrograph import column_map
from inverse.micrograph.motif import shortest_reciprocal_vectors
from tests.inverse.micrograph.lattice_fit_test import measured

VECTORS = np.array([[30.0, 1.0], [-0.8, 21.2]])  # pixels; as [110] is seen
SITES = {(0.0, 0.0): 1.0, (0.5, 0.0): 0.4}


def columns_of(vectors, sites=SITES, shift_px=0.0, noise=0.02, seed=0):
    """An image of columns, of which every other strong one is displaced in y."""
    size = (260, 300)
    y, x = np.indices(size) + 0.5
    image = 0.2 + noise * np.random.default_rng(seed).normal(size=size)
    span = np.arange(-24, 25)
    for i, j in np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2):
        for site, height in sites.items():
            px, py = np.array([12.3, 9.7]) + (np.array([i, j]) + site) @ vectors
            py += shift_px * (-1) ** (i % 2) if height == 1.0 else 0.0
            if -20 < px < 320 and -20 < py < 280:
                apart = (x - px) ** 2 + (y - py) ** 2
                image += height * np.exp(-apart / (2 * 3.2**2))
    return image.astype(np.float32)


def seen_along_110(shift_px=0.0, noise=0.02, seed=0):
    """Strong and weak columns, as a perovskite shows along [110]."""
    return columns_of(VECTORS, SITES, shift_px, noise, seed)


def test_every_kind_of_column_is_found_and_its_displacements_are_measured():
    lattice, kinds = column_map.map_columns([seen_along_110(0.5)], ["HAADF"])
    np.testing.assert_allclose(lattice.vectors, VECTORS, atol=0.05)
    assert len(kinds) == 2
    apart = np.mod(kinds[1].site - kinds[0].site + 0.25, 1) - 0.25
    np.testing.assert_allclose(apart, (0.5, 0.0), atol=0.02)
    rms = [np.sqrt(np.mean(kind.shifts**2, axis=0)) for kind in kinds]
    np.testing.assert_allclose(rms[0][1], 0.5, atol=0.05)
    assert max(rms[0][0], *rms[1]) < 0.15
    for kind in kinds:
        # Cells and sites name the places.
        named = lattice.places(kind.cells + kind.site)
        np.testing.assert_allclose(named, kind.places, atol=0.8)
        assert kind.filled == 1.0


def test_an_oblique_lattice_is_that_of_the_image():
    vectors = np.array([[24.0, 0.0], [12.0, 20.8]])
    lattice, kinds = column_map.map_columns(
        [columns_of(vectors, {(0.0, 0.0): 1.0})], ["HAADF"]
    )
    # Any cell of the same lattice will do.
    index = lattice.vectors @ np.linalg.inv(vectors)
    np.testing.assert_allclose(index, np.round(index), atol=0.01)
    assert abs(np.linalg.det(np.round(index))) == 1 and len(kinds) == 1


def test_spots_that_a_glide_plane_puts_out_do_not_halve_the_cell():
    vectors = np.array([[40.0, 0.0], [0.0, 36.0]])
    sites = {(0.0, 0.0): 1.0, (0.5, 0.5): 1.0, (0.2, 0.3): 0.5, (0.7, 0.2): 0.5}
    lattice, kinds = column_map.map_columns([columns_of(vectors, sites)], ["HAADF"])
    assert abs(np.linalg.det(lattice.vectors)) == pytest.approx(40 * 36, rel=0.01)
    assert len(kinds) == 4 and min(kind.filled for kind in kinds) > 0.9


def test_a_detector_that_shows_nothing_is_said_to():
    noise = np.random.default_rng(2).normal(size=(260, 300)).astype(np.float32)
    images, detectors = [seen_along_110(), noise], ["HAADF", "ABF"]
    lattice, kinds = column_map.map_columns(images, detectors)
    assert {kind.detector for kind in kinds} == {"HAADF"}
    (said,) = column_map.warnings_of(lattice, kinds, detectors)
    assert said == "ABF shows no columns"


def test_two_detectors_are_compared_column_by_column():
    # The same displacements, and noise of its own in each.
    images = [seen_along_110(0.5, 0.05, seed=seed) for seed in (0, 1)]
    images[1] = np.roll(-images[1], 2, axis=1)  # recorded a little aside
    _, kinds = column_map.map_columns(images, ["HAADF", "ABF"])
    found = column_map.detectors_differ(kinds)
    assert len(found) == 2
    for rms, kind in zip(found.values(), kinds[:2], strict=True):
        noise = np.median(kind.noise_px)
        assert noise / 2 < np.hypot(*rms) / np.sqrt(2) < 2 * noise


def test_the_error_is_how_far_fits_scatter():
    _, kinds = column_map.map_columns([seen_along_110(noise=0.05)], ["HAADF"])
    for kind in kinds:
        scatter = np.sqrt(np.mean(kind.shifts**2))
        assert scatter / 1.6 < np.median(kind.noise_px) < 1.6 * scatter


def test_dark_columns_are_those_of_an_annular_bright_field():
    image = seen_along_110()
    _, bright = column_map.map_columns([image, -image], ["HAADF", "ABF"])
    assert [kind.detector for kind in bright] == ["HAADF"] * 2 + ["ABF"] * 2
    np.testing.assert_allclose(bright[2].places, bright[0].places, atol=0.02)


def test_noise_shows_no_lattice():
    flat = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
    with pytest.raises(ConfigError, match="--input"):
        column_map.map_columns([flat], ["HAADF"])


def test_of_a_square_lattice_the_shortest_vectors_are_those_of_the_cell():
    image, vectors, _ = measured()
    index = shortest_reciprocal_vectors(image) @ vectors.T
    np.testing.assert_allclose(np.abs(index), np.eye(2), atol=0.05)


@pytest.mark.parametrize(("pixel_a", "unit"), [(0.13, "pm"), (0.0, "px")])
def test_another_zone_axis_is_mapped_without_a_network(tmp_path, pixel_a, unit, caplog):
    np.save(tmp_path / "image.npy", seen_along_110(0.5))
    config = stem_distortion.get_config("smoke")
    config.prediction.pixel_a = pixel_a
    config.prediction.oxide = "SrTiO3" if pixel_a else ""
    workdir = tmp_path / "not there yet"
    if pixel_a:
        workdir.mkdir()
        stale = workdir / "prediction-image.cif"
        stale.write_text("of an earlier call")
    file = str(tmp_path / "image.npy")
    target = distortion_predict.predict(config, str(workdir), "latest", file)
    assert not list(workdir.glob("*.cif"))
    summary = json.loads(target.read_text())
    assert summary["unit"] == unit and "[001]" in summary["warnings"][0]
    assert "[001]" in caplog.text
    rows = list(csv.DictReader(target.with_suffix(".csv").read_text().splitlines()))
    shifts = [float(row[f"dy_{unit}"]) for row in rows if row["kind"] == "0"]
    expected = 0.5 * (100 * pixel_a or 1.0)
    assert np.median(np.abs(shifts)) == pytest.approx(expected, rel=0.1)
    assert target.with_suffix(".png").stat().st_size > 10_000
