"""Both ways of reading give one batch, and every part of it to one process."""

import numpy as np
import pytest

from benchmarks.reading_worker import FIRST_BATCHES, block_of, first_batch
from benchmarks.start_up_reading import together
from configs import digits


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_every_image_of_a_batch_is_one_processs(count):
    owners = np.zeros((100, 64), int)
    for index in range(count):
        owners[block_of(index, count, 100, 64)] += 1
    assert (owners == 1).all()


@pytest.fixture(name="config")
def _config(tmp_path):
    config = digits.get_config("smoke")
    config.dataset.image_size, config.dataset.resize = 8, "none"
    config.dataset.cache_dir = str(tmp_path)
    config.dataset.flip = True
    return config


@pytest.mark.parametrize(("index", "count"), [(0, 1), (1, 2), (3, 4)])
def test_who_reads_everything_gets_the_batch_of_who_reads_its_own(index, count, config):
    seen = {way: first_batch(config, way, index, count) for way in FIRST_BATCHES}
    batches = {way: one["batch"] for way, one in seen.items()}
    assert batches["own labels"] == batches["everything"]
    other = first_batch(config, "everything", 0, 5)
    assert other["batch"] != batches["everything"]
    for one in seen.values():
        assert one["seconds"] > 0


def test_a_start_is_as_slow_as_its_slowest_and_works_as_much_as_all():
    seen = [
        {"seconds": 1.0, "core": 2.0, "read": 3e6, "memory": 4e6},
        {"seconds": 3.0, "core": 1.0, "read": 1e6, "memory": 2e6},
    ]
    expected = {"seconds": 3.0, "core_seconds": 3.0, "read_mb": 4.0, "memory_mb": 4.0}
    assert together(seen) == expected
