"""Batches of images as a pure function of (seed, step)."""

import numpy as np

from input_pipeline.arrays import LabelledImages
from input_pipeline.batch_plan import BatchPlan
from input_pipeline.flip import flip
from input_pipeline.label_partition import LabelPartition


class LabelBatches:
    """One block of entries and examples of every step's batches."""

    def __init__(
        self,
        images: LabelledImages,
        partition: LabelPartition,
        *,
        entries: slice,
        examples: slice,
        batch_size: int,
        seed: int,
        flip: bool,
    ):
        """Creates the block.

        Args:
          images: the data set.
          partition: images of every entry.
          entries: the block's entries.
          examples: the block's positions in every entry's batch.
          batch_size: of the whole batch of one entry.
          seed: of the shuffling and flipping.
          flip: mirror every second image left to right, at random.
        """
        # Plain arrays: a memmap's own indexing costs more than the copying.
        self._images = np.asarray(images.images)
        self._labels = np.asarray(images.labels)
        self._plan = BatchPlan(
            partition,
            entries=entries,
            examples=examples,
            batch_size=batch_size,
            seed=seed,
            flip=flip,
        )

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Returns the batch of `step`, whichever batches were asked for before.

        Returns:
          "image" uint8 [entry, example, y, x, c], "label" int32 [entry, example] (each
          image's own) and "example" int32 [entry, example], the position in the
          entry's whole batch.
        """
        picks = self._plan.at(step)
        image = self._images[picks.images]
        flip(image, picks.mirrored)
        return {
            "image": image,
            "label": self._labels[picks.images].astype(np.int32, copy=False),
            "example": picks.examples,
        }

    def close(self) -> None:
        """Ends nothing: these batches hold no workers, as streamed ones do."""
