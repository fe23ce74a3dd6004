"""Which images belong to which generator/discriminator pair."""

import dataclasses

import numpy as np

from input_pipeline.errors import DataError


@dataclasses.dataclass(frozen=True)
class LabelPartition:
    """Images by entry.

    Attributes:
      indices: for every entry the numbers of its images, ascending.
      label_counts: images of every label [num_labels].
      label_names: names of the labels.
    """

    indices: tuple[np.ndarray, ...]
    label_counts: np.ndarray
    label_names: tuple[str, ...]

    def prior(self) -> np.ndarray:
        """Share of every label, float64 [num_labels], sums to 1."""
        return self.label_counts / self.label_counts.sum()

    def balance_report(self) -> str:
        """Says in a line or two how evenly the images spread over the labels."""
        counts = self.label_counts
        report = (
            f"{counts.sum()} images of {len(counts)} labels, "
            f"{counts.min()} to {counts.max()} a label (median {np.median(counts):g}, "
            f"largest / smallest {counts.max() / counts.min():.2f})"
        )
        if len(counts) <= 20:
            pairs = zip(self.label_names, counts, strict=True)
            report += "\n" + "  ".join(f"{name}: {count}" for name, count in pairs)
        return report


def _counts(labels: np.ndarray, label_names: tuple[str, ...]) -> np.ndarray:
    num = len(label_names)
    if len(labels) and not 0 <= labels.min() <= labels.max() < num:
        raise DataError(
            f"the labels reach from {labels.min()} to {labels.max()} but {num} labels "
            "have names; mend the data set (config.dataset.name)."
        )
    counts = np.bincount(labels, minlength=num)
    for label, count in enumerate(counts):
        if count == 0:
            raise DataError(
                f"label {label} ({label_names[label]!r}) has no images; remove the "
                "label or add images of it (config.dataset.name)."
            )
    return counts


def partition_by_label(
    labels: np.ndarray, label_names: tuple[str, ...]
) -> LabelPartition:
    """Gives every label an entry of its own.

    Args:
      labels: [n] integers in 0 .. len(label_names) - 1.
      label_names: names of the labels.

    Raises:
      DataError: a label has no images.
    """
    counts = _counts(labels, label_names)
    order = np.argsort(labels, kind="stable")
    indices = tuple(np.split(order, np.cumsum(counts)[:-1]))
    return LabelPartition(indices, counts, label_names)


def one_partition(labels: np.ndarray, label_names: tuple[str, ...]) -> LabelPartition:
    """Gives all images to one entry, for a single or a conditional generator."""
    return LabelPartition(
        (np.arange(len(labels)),), _counts(labels, label_names), label_names
    )
