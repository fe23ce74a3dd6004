"""A wrong field is named, with its value and a remedy, in one line."""

import numpy as np
import pytest

from configs import common, digits
from gan import data
from gan.check_config import FEATURE_NETWORKS, Facts, check_config, check_facts
from gan.errors import ConfigError
from input_pipeline.arrays import LabelledImages

WRONG = [
    ("model.conditioning", "per_lable", "did you mean 'per_label'"),
    ("optimizer.loss", "hing", "did you mean 'hinge'"),
    ("parallel.entry_loop", "threads", "choose one of"),
    ("num_steps", 0, "1 or more"),
    ("model.features", (64, 32, 16), "image_size=16"),
    ("model.features", (), "channels"),
    ("per_entry_batch_size", 7, "discriminator_steps=2"),
    ("log_every_steps", 3, "steps_per_dispatch=2"),
    ("seed", -1, "0 or more"),
    ("seed", 1 << 32, "32 bits"),
    ("optimizer.loss", "wasserstein", "gradient_penalty=10"),
    ("model.features", ("a", "b"), "channels"),
    ("dataset.num_labels", -3, "0 or more"),
    ("optimizer.ema_decay", 2.0, "below 1"),
    ("optimizer.beta1", float("nan"), "below 1"),
    ("optimizer.generator_learning_rate", -1.0, "above 0"),
    ("optimizer.gradient_penalty", -5.0, "0 or more"),
    ("optimizer.decay_share", 1.5, "a share of config.num_steps"),
    ("optimizer.decay_share", -0.5, "a share of config.num_steps"),
    ("optimizer.gradient_penalty", 10.0, 'discriminator_normalisation="layer"'),
    ("evaluation.best_metric", "intra_fit", "did you mean 'intra_fid'"),
]


@pytest.mark.parametrize(("path", "value", "remedy"), WRONG)
def test_a_wrong_field_is_named_with_value_and_remedy(path, value, remedy):
    config = digits.get_config("smoke")
    config.optimizer.discriminator_steps = 2
    config.parallel.steps_per_dispatch = 2
    check_config(config)
    section = config
    *sections, name = path.split(".")
    for part in sections:
        section = section[part]
    section[name] = value
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    message = str(caught.value)
    assert f"config.{path}={value!r}" in message
    assert remedy in message
    assert "\n" not in message


def test_an_unknown_feature_network_is_named_before_anything_is_trained():
    config = digits.get_config("smoke")
    config.evaluation.networks = ("own_clasifier",)
    with pytest.raises(ConfigError, match="did you mean 'own_classifier'"):
        check_config(config)


@pytest.mark.parametrize(
    ("networks", "wanted"),
    [
        (("inception_2015",), "is_mean"),
        (("imagenet_classifier",), "own_label_accuracy"),
        (("own_classifier",), "fid_inception_2015_r10_f10"),
    ],
)
def test_a_score_that_no_network_measures_is_refused_before_training(networks, wanted):
    config = digits.get_config("smoke")
    config.evaluation.networks, config.evaluation.best_metric = networks, wanted
    with pytest.raises(ConfigError, match=f"best_metric='{wanted}': none of"):
        check_config(config)
    config.evaluation.networks = ("own_classifier", "imagenet_classifier")
    config.evaluation.best_metric = "fid_efficientnet_lite0_r10_f10"
    check_config(config)


def test_a_label_too_rare_to_be_drawn_twice_is_named_before_training():
    config = digits.get_config("smoke")
    config.evaluation.num_fake = 200
    labels = np.repeat(np.arange(3), (13, 8, 979))
    images = LabelledImages(
        images=np.zeros((1000, 4, 4, 1), np.uint8),
        labels=labels,
        label_names=("often", "rare", "common"),
        name="uneven",
        split="train",
        digest="",
    )
    with pytest.raises(ConfigError, match="num_fake=200: .*'rare' gets 1"):
        data.make_evaluator(config, images)


def test_every_feature_network_that_is_offered_can_be_made():
    assert data._MAKERS.keys() == set(FEATURE_NETWORKS)


@pytest.mark.parametrize("score", ["intra_fid", "own_label_accuracy_own_classifier"])
def test_without_labels_no_score_of_labels_chooses_the_best(score):
    config = digits.get_config("single")
    config.evaluation.best_metric = score
    with pytest.raises(ConfigError, match="conditioning"):
        check_config(config)


def test_facts_that_the_data_contradicts_are_refused():
    config = digits.get_config()
    check_facts(config, Facts(10, 1))
    with pytest.raises(ConfigError, match="num_labels=10.*12"):
        check_facts(config, Facts(12, 1))


def test_a_stated_zero_leaves_the_fact_to_the_data():
    config = common.gan_base()
    check_facts(config, Facts(12, 3))
