"""The published network's gradients, as the source describes them."""

import pytest

from parallel.compute_timeline import (
    ReadyGradient,
    by_block,
    fc_densenet,
    in_buckets,
    together,
)

TIMELINE = fc_densenet(forward_share=1 / 3)


def total(timeline):
    return sum(gradient.num_bytes for gradient in timeline)


def test_it_has_441_mb_in_15_blocks():
    assert total(TIMELINE) == pytest.approx(441e6, rel=1e-3)
    assert len(by_block(TIMELINE)) == 15
    assert total(by_block(TIMELINE)) == pytest.approx(total(TIMELINE))


def test_three_quarters_of_the_bytes_are_there_a_third_before_the_end():
    backward = [(g.ready - 1 / 3) / (2 / 3) for g in TIMELINE]
    early = [g for g, b in zip(TIMELINE, backward, strict=True) if b <= 2 / 3]
    assert total(early) >= 0.74 * total(TIMELINE)


def test_nothing_is_ready_before_the_forward_pass_and_all_is_at_the_end():
    for forward_share in (0.1, 0.5):
        ready = [gradient.ready for gradient in fc_densenet(forward_share)]
        assert ready[0] == pytest.approx(forward_share)
        assert ready[-1] == pytest.approx(1)
        assert sorted(ready) == ready


def test_a_group_is_ready_with_its_last_member():
    group = together([ReadyGradient("a", 0.5, 10), ReadyGradient("b", 0.25, 20)])
    assert group == ReadyGradient("a", 0.5, 30)


def test_buckets_close_when_full_the_first_one_early():
    gradients = tuple(ReadyGradient("a", i / 6, 10) for i in range(1, 7))
    buckets = in_buckets(gradients, first_bytes=5, bytes_=20)
    assert [bucket.num_bytes for bucket in buckets] == [10, 20, 20, 10]
    assert [bucket.ready for bucket in buckets] == [1 / 6, 3 / 6, 5 / 6, 1]
