"""Which way a request takes: one word, a second all-reduce, or rank 0."""

import numpy as np
import pytest

from parallel.control_plane.bitvector import Bitvector, CacheCounts
from parallel.control_plane.message_passing import all_reduce
from parallel.control_plane.records import Tensor
from parallel.control_plane.response_cache import (
    STATUS_BITS,
    Lookup,
    ResponseCache,
    num_words,
    pack,
    unpack,
)
from parallel.control_plane.superstep import Ledger
from tests.parallel.control_plane.small_steps import (
    COST,
    FUSION_BYTES,
    NUM_RANKS,
    play_coordinator,
    ready,
    tensors,
)


@pytest.mark.parametrize(
    ("num_tensors", "num_bytes"),
    [(0, 8), (32, 8), (61, 8), (62, 16), (161, 24), (1024, 136)],
)
def test_the_word_holds_three_status_bits_and_one_per_tensor(num_tensors, num_bytes):
    assert 8 * num_words(num_tensors) == num_bytes
    assert pack(np.ones(STATUS_BITS + num_tensors, bool)).nbytes == num_bytes


@pytest.mark.parametrize("num_bits", [3, 35, 64, 65, 164])
def test_bits_come_back_from_their_words(num_bits):
    bits = np.random.default_rng(0).random(num_bits) < 0.5
    np.testing.assert_array_equal(unpack(pack(bits), num_bits), bits)


@pytest.mark.parametrize("num_tensors", [32, 161])
def test_a_cached_step_sends_words_and_nothing_else(num_tensors):
    num_ranks, of = 8, tensors(num_tensors)
    times = ready(num_ranks, num_tensors, 0)
    ranks = Bitvector(num_ranks, COST, fusion_bytes=FUSION_BYTES)
    ranks.step(of, times)
    _, traffic = ranks.step(of, times)
    # Recursive doubling among 8: three rounds, in each of which everybody sends.
    assert traffic.messages == 3 * 8 * traffic.cycles
    assert traffic.num_bytes == {32: 8, 161: 24}[num_tensors] * traffic.messages
    assert traffic.busiest_records == 0
    assert ranks.counts == CacheCounts(hits=num_ranks * num_tensors)


@pytest.mark.parametrize("num_ranks", NUM_RANKS)
def test_the_first_step_misses_and_later_ones_hit(num_ranks):
    of, times = tensors(6), ready(num_ranks, 6, 1)
    ranks = Bitvector(num_ranks, COST, fusion_bytes=FUSION_BYTES)
    first, _ = ranks.step(of, times)
    asked_in = {int(cycle) for cycle in times.ravel()}
    assert ranks.counts == CacheCounts(
        misses=6 * num_ranks, coordinator_cycles=len(asked_in)
    )
    assert first == play_coordinator(of, times)[0]
    ranks.step(of, ready(num_ranks, 6, 2))
    assert ranks.counts == CacheCounts(hits=6 * num_ranks)


def test_entries_stand_in_the_order_of_the_broadcast_on_all_ranks():
    of, times = tensors(9), ready(5, 9, 3)[:, ::-1]
    ranks = Bitvector(5, COST, fusion_bytes=FUSION_BYTES)
    executed, _ = ranks.step(of, times)
    broadcast = [place for group in executed[0] for place in group]
    assert broadcast != list(range(9))
    # All at once: the order is then the cache's.
    executed, _ = ranks.step(of, np.zeros((5, 9)))
    assert [place for group in executed[4] for place in group] == broadcast


@pytest.mark.parametrize("num_ranks", NUM_RANKS)
def test_a_changed_tensor_is_invalidated_asked_for_once_and_cached_again(num_ranks):
    of = tensors(6)
    changed = [*of[:2], Tensor(of[2].name, (3, 3)), *of[3:]]
    ranks = Bitvector(num_ranks, COST, fusion_bytes=FUSION_BYTES)
    ranks.step(of, ready(num_ranks, 6, 0))
    _, cached = ranks.step(of, np.zeros((num_ranks, 6)))
    executed, traffic = ranks.step(changed, np.zeros((num_ranks, 6)))
    assert ranks.counts == CacheCounts(
        hits=5 * num_ranks, invalid=num_ranks, invalidations=1, coordinator_cycles=1
    )
    assert sorted(p for group in executed[0] for p in group) == list(range(6))
    # A second all-reduce of the same words, then one round over rank 0.
    assert traffic.messages == 2 * cached.messages + 4 * (num_ranks - 1)
    ranks.step(changed, np.zeros((num_ranks, 6)))
    assert ranks.counts == CacheCounts(hits=6 * num_ranks)


def test_what_waits_when_another_rank_invalidates_it_goes_to_rank_0():
    of = tensors(4)
    changed = Tensor(of[1].name, (3, 3))
    ranks = Bitvector(3, COST, fusion_bytes=FUSION_BYTES)
    ranks.step(of, np.zeros((3, 4)))
    times = np.zeros((3, 4))
    times[2, 1] = 4.0  # the others already wait, with the new shape
    executed, _ = ranks.step([of[0], changed, *of[2:]], times)
    assert all(sorted(p for g in e for p in g) == [0, 1, 2, 3] for e in executed)
    # Erased by the first two, it is a miss at the third.
    assert ranks.counts == CacheCounts(
        hits=9, misses=1, invalid=2, invalidations=1, coordinator_cycles=2
    )


def test_what_a_full_cache_does_not_take_goes_on_asking_rank_0():
    of, times = tensors(6), np.zeros((3, 6))
    ranks = Bitvector(3, COST, fusion_bytes=FUSION_BYTES, capacity=4)
    for _ in range(3):
        executed, _ = ranks.step(of, times)
        assert sorted(p for group in executed[1] for p in group) == list(range(6))
    assert ranks.counts == CacheCounts(hits=12, misses=6, coordinator_cycles=1)


def test_a_cache_tells_a_changed_tensor_from_a_new_one():
    cache, (first, second, third) = ResponseCache(), tensors(3)
    cache.insert(0, first)
    cache.insert(1, second)
    assert cache.look_up(0, first) is Lookup.HIT
    assert cache.look_up(0, Tensor(first.name, (1, 1))) is Lookup.INVALID
    assert cache.look_up(2, third) is Lookup.MISS
    cache.erase(np.array([0]))
    assert cache.places == [1]


@pytest.mark.parametrize("combine", [np.bitwise_and, np.bitwise_or])
@pytest.mark.parametrize("num_ranks", NUM_RANKS)
def test_an_all_reduce_of_bits_is_the_same_everywhere_and_right(num_ranks, combine):
    generator = np.random.default_rng(num_ranks)
    words = generator.integers(0, 2**63, (num_ranks, 3), dtype=np.uint64)
    for row in all_reduce(Ledger(num_ranks, COST), words, combine):
        np.testing.assert_array_equal(row, combine.reduce(words, axis=0))
