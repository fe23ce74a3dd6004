import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from gan import metrics
from gan.neighbourhood_metrics import (
    density_coverage,
    neighbourhood_scores,
    precision_recall,
    squared_radii,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)


def _correlated(num, dimension, seed):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimension, dimension))
    return generator.normal(size=(num, dimension)) @ mixing + generator.normal()


def _distance_by_sqrtm(a, b):
    product = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    traces = np.cov(a, rowvar=False).trace() + np.cov(b, rowvar=False).trace()
    shift = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return shift + traces - 2 * np.trace(product).real


def _with_exact_moments(num, dimension):
    """Rows whose mean is exactly 0 and whose covariance is exactly the identity."""
    centred = RNG.normal(size=(num, dimension))
    orthogonal = np.linalg.qr(centred - centred.mean(axis=0))[0]
    return orthogonal * np.sqrt(num - 1)


def _frechet(a, b):
    return metrics.frechet_distance(metrics.moments(a), metrics.moments(b))


def test_distance_between_a_gaussian_and_its_shift_is_the_shift_squared():
    standard = _with_exact_moments(500, 16)
    shift = RNG.normal(size=16)
    assert _frechet(standard, standard + shift) == pytest.approx(shift @ shift, 1e-9)


def test_distance_between_scaled_gaussians_is_the_closed_form():
    standard, scales = _with_exact_moments(500, 16), RNG.uniform(0.1, 3, 16)
    expected = np.sum((scales - 1) ** 2)
    assert _frechet(standard, standard * scales) == pytest.approx(expected, 1e-9)


def test_distance_of_samples_approaches_that_of_their_distributions():
    generator = np.random.default_rng(1)
    a = generator.normal(size=(100_000, 4))
    b = 2 * generator.normal(size=(100_000, 4)) + 1
    assert _frechet(a, b) == pytest.approx(4 + 4, rel=0.02)


@pytest.mark.parametrize("dimension", [2, 16, 64])
def test_distance_agrees_with_scipys_matrix_square_root(dimension):
    a, b = _correlated(300, dimension, 1), _correlated(400, dimension, 2)
    assert _frechet(a, b) == pytest.approx(_distance_by_sqrtm(a, b), rel=1e-6)


def test_distance_of_fewer_images_than_features_is_that_in_the_space_they_span():
    a, b = _correlated(10, 6, 3), _correlated(12, 6, 4)
    embedding = np.linalg.qr(RNG.normal(size=(200, 6)))[0].T
    singular = _frechet(a @ embedding, b @ embedding)
    assert singular == pytest.approx(_distance_by_sqrtm(a, b), rel=1e-6)


def test_distance_is_symmetric_and_zero_from_a_set_to_itself():
    a, b = _correlated(20, 32, 5), _correlated(25, 32, 6)
    assert _frechet(a, b) == pytest.approx(_frechet(b, a), rel=1e-6)
    assert _frechet(a, a) == pytest.approx(0, abs=1e-5 * np.var(a) * 32)


def test_moments_are_numpys():
    features = _correlated(50, 5, 7).astype(np.float32)
    found = metrics.moments(features)
    np.testing.assert_allclose(found.mean, features.astype(np.float64).mean(axis=0))
    expected = np.cov(features.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-12)
    assert found.num == 50


def test_intra_class_distance_is_the_mean_over_labels():
    features = [_correlated(30, 4, seed) for seed in range(4)]
    labels = np.repeat([0, 1], 30)
    a = metrics.moments_by_label(np.concatenate(features[:2]), labels, 2)
    b = metrics.moments_by_label(np.concatenate(features[2:]), labels, 2)
    expected = [_distance_by_sqrtm(features[i], features[2 + i]) for i in (0, 1)]
    found = metrics.intra_class_frechet(a, b)
    assert found == pytest.approx(np.mean(expected), rel=1e-6)


def test_exchanged_labels_are_seen_by_the_intra_class_distance_only():
    features = np.concatenate([_correlated(40, 3, 8), _correlated(40, 3, 9) + 50])
    labels = np.repeat([0, 1], 40)
    right = metrics.moments_by_label(features, labels, 2)
    wrong = metrics.moments_by_label(features, 1 - labels, 2)
    assert _frechet(features, features) < 1e-6
    assert metrics.intra_class_frechet(right, right) < 1e-6
    assert metrics.intra_class_frechet(right, wrong) > 1000


def test_inception_score_is_one_when_all_answers_are_alike():
    answers = np.tile(RNG.dirichlet(np.ones(7)), (100, 1))
    assert metrics.inception_score(answers) == pytest.approx((1, 0), abs=1e-12)


def test_inception_score_is_the_number_of_classes_when_sure_and_balanced():
    answers = np.eye(8)[np.repeat(np.arange(8), 50)]
    mean, std = metrics.inception_score(answers, num_splits=1)
    assert (mean, std) == pytest.approx((8, 0), abs=1e-12)


def test_inception_score_is_exp_of_mutual_information():
    answers = RNG.dirichlet(np.full(5, 0.3), size=200)
    marginal = answers.mean(axis=0)
    entropy_of_mean = -np.sum(marginal * np.log(marginal))
    mean_entropy = -np.mean(np.sum(answers * np.log(answers), axis=1))
    mean, _ = metrics.inception_score(answers, num_splits=1)
    assert mean == pytest.approx(np.exp(entropy_of_mean - mean_entropy), rel=1e-9)


def test_inception_score_shuffles_before_it_splits():
    answers = np.eye(10)[np.repeat(np.arange(10), 100)]
    assert metrics.inception_score(answers, num_splits=10)[0] > 9
    scores = {metrics.inception_score(answers, seed=seed)[0] for seed in (0, 0, 1)}
    assert len(scores) == 2


def test_label_accuracy_counts_most_probable_classes():
    answers = np.array([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert metrics.label_accuracy(answers, np.array([0, 1, 1, 1])) == 0.75


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (np.zeros((3, 2, 2)), "features must"),
        (np.zeros((1, 4)), "features must"),
        (np.array([[0.0, np.nan], [1, 1]]), "features must be finite"),
    ],
)
def test_moments_refuse_what_has_none(features, reason):
    with pytest.raises(ValueError, match=reason):
        metrics.moments(features)


def test_inception_score_refuses_rows_that_are_not_probabilities():
    with pytest.raises(ValueError, match="probabilities must"):
        metrics.inception_score(np.full((20, 4), 0.3))
    with pytest.raises(ValueError, match="probabilities must"):
        metrics.inception_score(np.array([[1.5, -0.5]] * 20))


def test_distance_refuses_different_numbers_of_features():
    with pytest.raises(ValueError, match="features"):
        _frechet(np.eye(3), np.eye(4))


def _neighbourhoods_by_loops(real, fake, k):
    def distance(a, b):
        return np.sqrt(np.sum((a - b) ** 2))

    def radius(x, others):
        return sorted(distance(x, y) for y in others)[k]  # the 0-th is x itself

    def inside_of(points, centres):
        radii = [radius(x, centres) for x in centres]
        balls = list(zip(centres, radii, strict=True))
        return np.array([[distance(x, y) < r for y, r in balls] for x in points])

    inside, inside_fake = inside_of(fake, real), inside_of(real, fake)
    return (
        inside.any(axis=1).mean(),
        inside_fake.any(axis=1).mean(),
        inside.sum() / (k * len(fake)),
        inside.any(axis=0).mean(),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhood_scores_agree_with_loops(k, monkeypatch):
    # Chunks of two rows: the seams between chunks are tested too.
    monkeypatch.setattr("gan.neighbourhood_metrics._CHUNK_DISTANCES", 80)
    real = RNG.normal(size=(40, 3))
    fake = RNG.normal(size=(30, 3)) * 0.7 + 0.5
    expected = _neighbourhoods_by_loops(real, fake, k)
    assert neighbourhood_scores(real, fake, k) == pytest.approx(expected, rel=1e-12)
    assert precision_recall(real, fake, k) == pytest.approx(expected[:2], rel=1e-12)
    assert density_coverage(real, fake, k) == pytest.approx(expected[2:], rel=1e-12)


def test_radii_that_are_known_already_change_nothing():
    real, fake = RNG.normal(size=(50, 4)), RNG.normal(size=(40, 4))
    known = neighbourhood_scores(real, fake, real_radii=squared_radii(real))
    assert known == neighbourhood_scores(real, fake)


def test_a_set_covers_itself_and_has_density_one():
    real = RNG.normal(size=(200, 8)).astype(np.float32)
    assert neighbourhood_scores(real, real) == pytest.approx((1, 1, 1, 1), abs=0.02)


def test_collapsed_fakes_are_precise_but_cover_little():
    real = RNG.normal(size=(300, 4))
    fake = real[:1] + 1e-3 * RNG.normal(size=(300, 4))
    scores = neighbourhood_scores(real, fake)
    assert scores.precision == 1
    assert scores.recall < 0.05
    assert scores.coverage < 0.1


def test_distant_fakes_score_nothing():
    scores = neighbourhood_scores(RNG.normal(size=(60, 4)), np.full((60, 4), 1e3))
    assert scores == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("real", "fake", "k", "reason"),
    [
        (np.zeros((5, 2)), np.zeros((9, 2)), 5, "real must"),
        (np.zeros((9, 2)), np.zeros((5, 2)), 5, "fake must"),
        (np.zeros((9, 2)), np.zeros((9, 3)), 5, "real and fake must"),
        (np.full((9, 2), np.inf), np.zeros((9, 2)), 5, "real must be finite"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "k must"),
    ],
)
def test_neighbourhood_scores_name_the_argument_they_refuse(real, fake, k, reason):
    with pytest.raises(ValueError, match=reason):
        neighbourhood_scores(real, fake, k)


@pytest.mark.slow
def test_scores_agree_with_torch_fidelity(tmp_path):
    python = pathlib.Path(
        os.environ.get("FIDELITY_PYTHON", ROOT / ".venv-fidelity/bin/python")
    )
    if not python.exists():
        pytest.skip("torch-fidelity is not installed: make peers")
    real, fake = _correlated(300, 32, 1), _correlated(300, 32, 2)
    logits = 3 * RNG.normal(size=(1000, 10))
    file = tmp_path / "arrays.npz"
    np.savez(file, real=real, fake=fake, logits=logits)
    peer = ROOT / "benchmarks" / "peers" / "torch_fidelity_scores.py"
    told = subprocess.run(
        [python, peer, file], capture_output=True, text=True, check=True
    )
    expected = json.loads(told.stdout.splitlines()[-1])
    assert _frechet(real, fake) == pytest.approx(expected["fid"], rel=1e-6)
    answers = scipy.special.softmax(logits, axis=1)
    mean, _ = metrics.inception_score(answers, num_splits=1)
    assert mean == pytest.approx(expected["is_mean"], rel=1e-6)
