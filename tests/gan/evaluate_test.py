import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan import metrics
from gan.errors import ConfigError
from gan.evaluate import (
    SCORES_OF_LABELS,
    Evaluator,
    score_name,
    score_of,
    spread_over_labels,
)
from gan.features import FeatureNetwork
from gan.neighbourhood_metrics import neighbourhood_scores
from input_pipeline.arrays import LabelledImages

NUM_LABELS = 3
DISTANCES = ("fid", "intra_fid", "precision", "recall", "density", "coverage")


def _images(num, seed=0):
    """Images whose brightness tells their label, uint8 [num, 4, 4, 1], and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num) % NUM_LABELS
    noise = generator.integers(0, 60, (num, 4, 4, 1))
    return (noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels


def _real(num=60, seed=0):
    images, labels = _images(num, seed)
    names = ("dark", "grey", "bright")
    return LabelledImages(
        images, labels.astype(np.int32), names, "shades", "train", f"digest{seed}"
    )


class _Looker:
    """Features: means of the image's quarters; classes: brightness."""

    def __init__(self):
        self.num_calls = 0

    def network(
        self, name="quarters", has_classes=True, knows_labels=True, digest="weights"
    ):
        def look(pixels):
            self.num_calls += 1
            x = jnp.asarray(pixels, jnp.float32)
            features = x.reshape(-1, 2, 2, 2, 2).mean((2, 4)).reshape(-1, 4)
            centres = 30 + 80 * jnp.arange(NUM_LABELS)[None, :]
            distances = (x.mean((1, 2, 3))[:, None] - centres) ** 2
            classes = jax.nn.softmax(-distances / 50)
            return features, classes if has_classes else None

        return FeatureNetwork(name, digest, look, 16, knows_labels)


def _evaluator(tmp_path, networks=None, **settings):
    settings = {"num_real": 60, "num_fake": 30, "real": _real()} | settings
    networks = networks or [_Looker().network()]
    return Evaluator(networks, cache_dir=str(tmp_path), **settings)


def test_scores_are_the_metrics_of_the_networks_features(tmp_path):
    fakes, labels = _images(30, seed=1)
    scores = _evaluator(tmp_path).run(fakes, labels)
    network = _Looker().network()
    (real, _), (fake, classes) = network.run(_real().images), network.run(fakes)

    def frechet(chosen):
        parts = real[chosen(_real().labels)], fake[chosen(labels)]
        return metrics.frechet_distance(*map(metrics.moments, parts))

    by_label = [frechet(lambda x, i=i: x == i) for i in range(NUM_LABELS)]
    neighbourhoods = neighbourhood_scores(real, fake)._asdict()
    expected = {
        "fid_quarters_r60_f30": frechet(lambda x: x >= 0),
        "intra_fid_quarters_r60_f30": np.mean(by_label),
        "is_mean_quarters_f30": metrics.inception_score(classes)[0],
        "is_std_quarters_f30": metrics.inception_score(classes)[1],
        "own_label_accuracy_quarters_f30": np.mean(classes.argmax(axis=1) == labels),
    } | {f"{name}_quarters_r60_f30": x for name, x in neighbourhoods.items()}
    assert scores == pytest.approx(expected, rel=1e-9)
    assert all(type(value) is float for value in scores.values())


def test_real_images_score_perfectly(tmp_path):
    real = _real()
    scores = _evaluator(tmp_path, num_fake=60).run(real.images, real.labels)
    assert scores["fid_quarters_r60_f60"] == pytest.approx(0, abs=1e-3)
    assert scores["intra_fid_quarters_r60_f60"] == pytest.approx(0, abs=1e-3)
    assert scores["precision_quarters_r60_f60"] == 1
    assert scores["coverage_quarters_r60_f60"] == 1
    assert scores["own_label_accuracy_quarters_f60"] == 1
    assert scores["is_mean_quarters_f60"] > 2


def test_wrong_labels_spoil_only_what_looks_at_labels(tmp_path):
    evaluator = _evaluator(tmp_path)
    fakes, labels = _images(30, seed=1)
    right, wrong = evaluator.run(fakes, labels), evaluator.run(fakes, labels[::-1])
    changed = {name for name in right if right[name] != wrong[name]}
    assert changed == {"intra_fid_quarters_r60_f30", "own_label_accuracy_quarters_f30"}
    name = "intra_fid_quarters_r60_f30"
    assert wrong[name] > 10 * right[name]


@pytest.mark.parametrize(
    ("has_classes", "knows_labels", "expected"),
    [
        (False, False, ()),
        (True, False, ("is_mean", "is_std")),
        (True, True, ("is_mean", "is_std", "own_label_accuracy")),
    ],
)
def test_a_network_gives_the_scores_that_it_can(
    has_classes, knows_labels, expected, tmp_path
):
    network = _Looker().network("some", has_classes, knows_labels)
    scores = _evaluator(tmp_path, [network]).run(*_images(30))
    names = {score_name(x, "some", 30, 60) for x in DISTANCES}
    assert scores.keys() == names | {score_name(x, "some", 30) for x in expected}


def test_images_of_no_label_are_not_scored_by_label(tmp_path):
    evaluator, (fakes, labels) = _evaluator(tmp_path), _images(30, seed=1)
    with_labels, without = evaluator.run(fakes, labels), evaluator.run(fakes, None)
    missing = with_labels.keys() - without.keys()
    assert {score_of(name) for name in missing} == set(SCORES_OF_LABELS)
    assert without == {name: with_labels[name] for name in without}


def test_a_score_is_told_from_its_name():
    assert score_of("fid_quarters_r60_f30") == score_of("fid") == "fid"
    assert score_of("intra_fid_own_classifier_r10_f10") == "intra_fid"
    assert score_of("fidelity") is None


def test_several_networks_score_side_by_side(tmp_path):
    networks = [_Looker().network("one"), _Looker().network("two")]
    scores = _evaluator(tmp_path, networks).run(*_images(30))
    assert scores["fid_one_r60_f30"] == scores["fid_two_r60_f30"]
    assert len(scores) == 2 * 9


def test_real_features_are_computed_once_and_kept(tmp_path):
    looker = _Looker()
    fakes, labels = _images(30, seed=1)
    first = _evaluator(tmp_path, [looker.network()])
    assert looker.num_calls > 0
    again = _Looker()
    second = _evaluator(tmp_path, [again.network()])
    assert again.num_calls == 0
    assert first.run(fakes, labels) == second.run(fakes, labels)


@pytest.mark.parametrize(
    "change",
    [{"num_real": 40}, {"real": _real(seed=5)}, {"digest": "others"}, {"seed": 1}],
)
def test_other_reals_or_networks_are_never_read_from_the_cache(change, tmp_path):
    _evaluator(tmp_path)
    looker = _Looker()
    settings = {name: value for name, value in change.items() if name != "digest"}
    network = looker.network(digest=change.get("digest", "weights"))
    _evaluator(tmp_path, [network], **settings)
    assert looker.num_calls > 0


def test_a_damaged_cache_is_named_and_made_again(tmp_path):
    fakes, labels = _images(30, seed=1)
    expected = _evaluator(tmp_path).run(fakes, labels)
    (path,) = tmp_path.glob("real_features/*.npz")
    path.write_bytes(path.read_bytes()[:100])
    lines = []
    evaluator = _evaluator(tmp_path, report=lines.append)
    assert evaluator.run(fakes, labels) == expected
    assert len(lines) == 1
    assert str(path) in lines[0]


def test_no_more_real_images_are_used_than_there_are_and_the_name_tells(tmp_path):
    scores = _evaluator(tmp_path, num_real=10_000).run(*_images(30))
    assert "fid_quarters_r60_f30" in scores


def test_real_images_are_drawn_in_the_proportions_of_their_labels():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    np.random.default_rng(0).shuffle(labels)
    chosen = spread_over_labels(labels, 100, seed=0)
    assert len(set(chosen)) == 100
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [60, 30, 10])
    np.testing.assert_array_equal(chosen, spread_over_labels(labels, 100, seed=0))
    assert set(chosen) != set(spread_over_labels(labels, 100, seed=1))
    np.testing.assert_array_equal(spread_over_labels(labels, 5000, 0), np.arange(1000))


def test_real_images_are_drawn_from_everywhere_in_the_set():
    chosen = spread_over_labels(np.zeros(10_000, int), 1000, seed=0)
    assert np.mean(chosen) == pytest.approx(5000, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"num_real": 4}, "config.evaluation.num_real=4"),
        ({"num_fake": 5}, "config.evaluation.num_fake=5"),
    ],
)
def test_too_few_images_are_a_matter_of_the_configuration(settings, field, tmp_path):
    with pytest.raises(ConfigError, match=field) as caught:
        _evaluator(tmp_path, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fakes", "labels", "reason"),
    [
        (np.zeros((29, 4, 4, 1), np.uint8), np.arange(29) % 3, "fakes must"),
        (np.zeros((30, 8, 8, 1), np.uint8), np.arange(30) % 3, "fakes must"),
        (np.zeros((30, 4, 4, 1), np.uint8), np.arange(29) % 3, "fake_labels must"),
        (np.zeros((30, 4, 4, 1), np.uint8), np.arange(30) % 4, "fake_labels must"),
        (np.zeros((30, 4, 4, 1), np.uint8), np.arange(30) // 29, "fake_labels must"),
    ],
)
def test_fakes_that_cannot_be_scored_are_refused(fakes, labels, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        _evaluator(tmp_path).run(fakes, labels)


@pytest.mark.parametrize(("num_features", "is_said"), [(30, False), (31, True)])
def test_fewer_images_than_features_are_said(num_features, is_said, tmp_path, caplog):
    def look(pixels):
        return jnp.zeros((len(pixels), num_features)), None

    network = FeatureNetwork("wide", "weights", look, 16, False)
    _evaluator(tmp_path, [network])
    said = f"30 images are few for {num_features} features of wide"
    assert (said in caplog.text) == is_said
