import threading
import time

import numpy as np
import pytest

from input_pipeline import decode
from input_pipeline.image_source import source_of_arrays

IMAGES = np.arange(1000, dtype=np.uint32).astype(np.uint8).reshape(1000, 1, 1, 1)
LABELS = np.arange(1000) % 10


def _source():
    names = tuple("0123456789")
    return source_of_arrays(IMAGES, LABELS, names, "numbers")


@pytest.mark.parametrize("threads", [1, 3])
def test_images_come_in_their_order_whoever_decodes_them(monkeypatch, threads):
    monkeypatch.setattr(decode, "num_threads", lambda: threads)
    blocks = [*decode.blocks_of(_source(), np.asarray, "numbers")]
    found = np.concatenate([images for images, _ in blocks])
    np.testing.assert_array_equal(found, IMAGES[..., 0])
    labels = np.concatenate([labels for _, labels in blocks])
    np.testing.assert_array_equal(labels, LABELS)


def test_only_a_few_blocks_wait_for_a_slow_reader(monkeypatch):
    monkeypatch.setattr(decode, "num_threads", lambda: 1)
    monkeypatch.setattr(decode, "_BLOCK", 10)
    done = []
    blocks = decode.blocks_of(_source(), lambda p: done.append(1) or np.asarray(p), "")
    next(blocks)
    time.sleep(0.2)
    assert len(done) <= (decode._AHEAD + 1) * 10
    blocks.close()


def test_an_abandoned_decoding_leaves_no_threads():
    before = threading.active_count()
    blocks = decode.blocks_of(_source(), np.asarray, "numbers")
    next(blocks)
    blocks.close()
    assert threading.active_count() == before
