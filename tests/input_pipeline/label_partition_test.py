import numpy as np
import pytest

from input_pipeline.errors import DataError
from input_pipeline.label_partition import one_partition, partition_by_label

LABELS = np.array([2, 0, 2, 1, 2, 0], np.int32)
NAMES = ("cat", "dog", "emu")


def test_every_image_belongs_to_its_labels_entry_and_to_no_other():
    partition = partition_by_label(LABELS, NAMES)
    assert [i.tolist() for i in partition.indices] == [[1, 5], [3], [0, 2, 4]]


def test_the_images_of_an_entry_keep_their_order():
    labels = np.random.default_rng(0).integers(0, 3, 5000)
    for indices in partition_by_label(labels, NAMES).indices:
        assert (np.diff(indices) > 0).all()


def test_one_entry_holds_all_images():
    partition = one_partition(LABELS, NAMES)
    assert [i.tolist() for i in partition.indices] == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("divide", [partition_by_label, one_partition])
def test_the_prior_is_each_labels_share(divide):
    prior = divide(LABELS, NAMES).prior()
    np.testing.assert_allclose(prior, [2 / 6, 1 / 6, 3 / 6])
    assert prior.dtype == np.float64


def test_the_report_says_how_uneven_the_labels_are():
    report = partition_by_label(LABELS, NAMES).balance_report()
    assert "6 images of 3 labels, 1 to 3 a label (median 2" in report
    assert "largest / smallest 3.00" in report
    assert "cat: 2  dog: 1  emu: 3" in report


def test_the_report_of_a_thousand_labels_is_short():
    labels = np.repeat(np.arange(1000), 2)
    names = tuple(f"name {label}" for label in range(1000))
    report = partition_by_label(labels, names).balance_report()
    assert "\n" not in report and len(report) < 200


@pytest.mark.parametrize("divide", [partition_by_label, one_partition])
def test_a_label_without_images_is_named(divide):
    with pytest.raises(DataError, match=r"label 3 \('fox'\) has no images"):
        divide(LABELS, (*NAMES, "fox"))


@pytest.mark.parametrize("odd", [-1, 3])
def test_a_label_without_a_name_is_refused(odd):
    with pytest.raises(DataError, match="3 labels have names"):
        partition_by_label(np.append(LABELS, odd), NAMES)
