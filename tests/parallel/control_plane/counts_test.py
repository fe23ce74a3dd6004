"""The closed forms count what the played protocols count."""

import dataclasses
import itertools
import time

import numpy as np
import pytest

from parallel.control_plane import coordinator, counts, request_tree, rounds
from parallel.control_plane.bitvector import Bitvector
from parallel.control_plane.message_passing import broadcast
from parallel.control_plane.readiness import jittered
from parallel.control_plane.superstep import Ledger
from tests.parallel.control_plane.small_steps import (
    COST,
    FUSION_BYTES,
    NUM_RANKS,
    ready,
    tensors,
)

CASES = list(itertools.product(NUM_RANKS, (1, 6, 17), range(3)))
FUSED = {"fusion_bytes": FUSION_BYTES}


def check_same(counted, played):
    (groups, traffic), (executed, expected) = counted, played
    assert executed[0] == groups
    assert traffic.seconds == pytest.approx(expected.seconds, rel=1e-12)
    same = {"seconds": expected.seconds}
    assert dataclasses.replace(traffic, **same) == expected


def test_the_coordinator_counts_as_it_plays():
    for num_ranks, num_tensors, seed in CASES:
        of, times = tensors(num_tensors), ready(num_ranks, num_tensors, seed)
        check_same(
            counts.coordinator(of, times, COST, **FUSED),
            coordinator.run_step(of, times, COST, **FUSED),
        )


@pytest.mark.parametrize("arity", [1, 2, 3, 8])
def test_the_tree_counts_as_it_plays(arity):
    for num_ranks, num_tensors, seed in CASES:
        of, times = tensors(num_tensors), ready(num_ranks, num_tensors, seed)
        check_same(
            counts.request_tree(of, times, COST, arity=arity, **FUSED),
            request_tree.run_step(of, times, COST, arity=arity, **FUSED),
        )


def test_the_bitvector_counts_as_it_plays():
    for num_ranks, num_tensors, seed in CASES:
        of, times = tensors(num_tensors), ready(num_ranks, num_tensors, seed)
        ranks = Bitvector(num_ranks, COST, **FUSED)
        executed, _ = ranks.step(of, times)
        cached = [place for group in executed[0] for place in group]
        times = ready(num_ranks, num_tensors, seed + 100)
        check_same(
            counts.cached_bitvector(of, times, COST, cached=cached, **FUSED),
            ranks.step(of, times),
        )


@pytest.mark.parametrize("num_ranks", NUM_RANKS)
def test_one_round_of_all_requests_at_once(num_ranks):
    of = tensors(6)
    times = np.zeros((num_ranks, 6))
    executed, traffic = coordinator.run_step(of, times, COST, **FUSED)
    assert traffic.seconds == pytest.approx(
        rounds.coordinator_seconds(num_ranks, 6, COST, len(executed[0]))
    )
    executed, traffic = request_tree.run_step(of, times, COST, arity=3, **FUSED)
    assert traffic.seconds == pytest.approx(
        rounds.tree_seconds(num_ranks, 6, COST, 3, len(executed[0]))
    )
    ranks = Bitvector(num_ranks, COST, **FUSED)
    ranks.step(of, times)
    _, traffic = ranks.step(of, times)
    assert traffic.seconds == pytest.approx(
        rounds.bitvector_seconds(num_ranks, 6, COST)
    )


@pytest.mark.parametrize("num_ranks", NUM_RANKS)
def test_a_broadcast_reaches_everybody_in_as_few_rounds_as_can_be(num_ranks):
    ledger = Ledger(num_ranks, COST)
    broadcast(ledger, 100)
    traffic = ledger.traffic()
    assert traffic.messages == num_ranks - 1
    assert traffic.num_bytes == 100 * (num_ranks - 1)
    assert traffic.busiest_messages <= 1
    num_rounds = np.ceil(np.log2(num_ranks))
    assert traffic.seconds == pytest.approx(num_rounds * COST.superstep(100))


def test_a_rank_that_sends_to_itself_is_a_mistake():
    with pytest.raises(ValueError, match="rank 1 sends to itself"):
        Ledger(2, COST).send(1, 1, 8)


def test_the_published_size_takes_seconds():
    of = tensors(161)
    times = jittered(27_600, 161, num_cycles=184, jitter=0.02, seed=0)
    start = time.perf_counter()
    _, flat = counts.coordinator(of, times, COST, **FUSED)
    _, tree = counts.request_tree(of, times, COST, arity=8, **FUSED)
    _, bits = counts.cached_bitvector(of, times, COST, cached=range(161), **FUSED)
    assert time.perf_counter() - start < 30
    assert flat.busiest_records == 27_600 * 161
    assert tree.busiest_records == 9 * 161
    assert bits.num_bytes == 24 * bits.messages
