"""What the status line says of labels."""

import numpy as np

from gan.status import Status


def _metrics(skipped, in_a_row):
    return {
        "generator_loss": np.ones(4),
        "discriminator_loss": np.ones(4),
        "skipped": np.asarray(skipped),
        "skipped_in_a_row": np.asarray(in_a_row),
    }


def test_a_label_that_skipped_any_step_since_the_last_line_is_named():
    status = Status(0, 100, 1)
    assert status.tick(10, _metrics([0, 0, 5, 7], [0, 0, 0, 2]))["labels_bad"] == [3]
    assert status.tick(20, _metrics([0, 4, 5, 7], [0, 0, 0, 0]))["labels_bad"] == [1]
    assert status.tick(30, _metrics([0, 4, 5, 7], [0, 0, 0, 0]))["labels_bad"] == []
    status.close()
