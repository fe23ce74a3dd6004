"""Every image belongs to exactly one entry; empty labels are named."""

import numpy as np
import pytest

from input_pipeline.errors import DataError
from input_pipeline.label_partition import one_partition, partition_by_label

LABELS = np.array([2, 0, 2, 1, 2], np.int32)
NAMES = ("ant", "bee", "cat")


def test_entries_are_the_labels_and_share_out_all_images():
    partition = partition_by_label(LABELS, NAMES)
    for label, indices in enumerate(partition.indices):
        np.testing.assert_array_equal(indices, np.flatnonzero(label == LABELS))
    np.testing.assert_array_equal(np.sort(np.concatenate(partition.indices)), range(5))


def test_prior_is_the_share_of_every_label():
    for divide in (partition_by_label, one_partition):
        np.testing.assert_allclose(divide(LABELS, NAMES).prior(), [0.2, 0.2, 0.6])


@pytest.mark.parametrize("divide", [partition_by_label, one_partition])
def test_a_label_without_images_is_named(divide):
    with pytest.raises(DataError, match="label 3 .'dog'.*remove"):
        divide(LABELS, (*NAMES, "dog"))


def test_report_tells_the_imbalance():
    report = partition_by_label(LABELS, NAMES).balance_report()
    assert "1 to 3 a label" in report and "largest / smallest 3.00" in report
    assert "cat: 3" in report


def test_report_of_many_labels_stays_short():
    labels = np.arange(1000, dtype=np.int32)
    names = tuple(str(label) for label in labels)
    assert partition_by_label(labels, names).balance_report().count("\n") == 0
