"""Every policy keeps every gradient once and in order; the optimal one is optimal."""

import itertools
import time

import numpy as np
import pytest

from parallel import grouping
from parallel.link_cost import (
    LinkCost,
    exposed_seconds,
    finish_times,
    least_exposed_seconds,
)
from parallel.production_order import Gradient


def _gradients(count, seed=0):
    ready = np.sort(np.random.default_rng(seed).random(count))
    ready[-1:] = 1.0
    return [
        Gradient(f"block_{i // 3}/w{i}", (4,), "float32", float(share))
        for i, share in enumerate(ready)
    ]


def _bytes(count, seed=1):
    return np.random.default_rng(seed).integers(1, 100, count)


COST = LinkCost(compute_seconds=1.0, bytes_per_second=1000.0, latency_seconds=0.01)
POLICIES = {
    "per_leaf": grouping.per_leaf,
    "one": grouping.one_group,
    "per_block": grouping.per_block,
    "chunks": lambda g: grouping.chunks(g, 4),
    "byte_bounds": lambda g: grouping.byte_bounds(
        g, _bytes(len(g)), first=50, largest=300, last=100
    ),
    "optimal": lambda g: grouping.optimal(g, _bytes(len(g)), COST),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_every_gradient_travels_once_and_groups_come_as_they_are_complete(
    policy, count
):
    groups = policy(_gradients(count))
    assert sorted(itertools.chain(*groups)) == list(range(count))
    assert all(groups)
    assert [g[-1] for g in groups] == sorted(g[-1] for g in groups)


def test_blocks_that_are_interleaved_wait_for_their_last_member():
    names = ["a/1", "b/1", "a/2", "c/1", "b/2"]
    gradients = [Gradient(n, (1,), "float32", i / 5) for i, n in enumerate(names)]
    assert grouping.per_block(gradients) == [[0, 2], [3], [1, 4]]
    by_number = grouping.per_block(gradients, lambda name: name[-1])
    assert by_number == [[0, 1, 3], [2, 4]]


def test_chunks_are_contiguous_and_as_equal_as_may_be():
    assert grouping.chunks(_gradients(7), 3) == [[0, 1, 2], [3, 4], [5, 6]]
    assert grouping.chunks(_gradients(2), 5) == [[0], [1]]


def test_byte_bounds_hold_for_all_that_fits():
    gradients, sizes = _gradients(200), _bytes(200)
    groups = grouping.byte_bounds(gradients, sizes, first=120, largest=500, last=150)
    totals = [int(sizes[g].sum()) for g in groups]
    assert totals[0] <= 120
    assert totals[-1] <= 150
    assert max(totals) <= 500
    # No two neighbours in the middle would have fitted into one.
    neighbours = zip(totals[1:-2], groups[2:-1], strict=True)
    assert all(total + sizes[after[0]] > 500 for total, after in neighbours)


def test_a_gradient_above_every_bound_travels_alone():
    groups = grouping.byte_bounds(
        _gradients(3), [10, 5000, 10], first=20, largest=20, last=20
    )
    assert groups == [[0], [1], [2]]


def _exposed(groups, gradients, sizes, cost):
    ready = [gradients[g[-1]].ready for g in groups]
    return exposed_seconds(ready, [sizes[g].sum() for g in groups], cost)


@pytest.mark.parametrize("latency", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("bytes_per_second", [50, 200, 1000, 1e9])
def test_no_contiguous_grouping_exposes_less_than_the_optimal_one(
    bytes_per_second, latency
):
    cost = LinkCost(1.0, bytes_per_second, latency)
    for seed in range(6):
        count = 2 + seed
        gradients, sizes = _gradients(count, seed), _bytes(count, seed)
        every = [
            [list(range(a, b)) for a, b in itertools.pairwise([0, *cuts, count])]
            for number in range(count)
            for cuts in itertools.combinations(range(1, count), number)
        ]
        exposed = [_exposed(groups, gradients, sizes, cost) for groups in every]
        allowed = min(exposed) + 1e-3
        fewest = min(
            len(g) for g, e in zip(every, exposed, strict=True) if e <= allowed
        )
        found = grouping.optimal(gradients, sizes, cost)
        assert _exposed(found, gradients, sizes, cost) <= allowed + 1e-9
        assert len(found) == fewest


def test_a_link_without_limits_wants_one_group_and_a_slow_one_more():
    gradients, sizes = _gradients(30), _bytes(30)
    assert len(grouping.optimal(gradients, sizes, LinkCost(1.0, 1e12, 0.0))) == 1
    assert len(grouping.optimal(gradients, sizes, LinkCost(1.0, 3e3, 1e-6))) > 1


def test_a_thousand_gradients_are_grouped_in_under_a_second():
    gradients, sizes = _gradients(1000), _bytes(1000)
    start = time.process_time()
    grouping.optimal(gradients, sizes, LinkCost(1.0, 6e4, 1e-4))
    assert time.process_time() - start < 1


def test_reductions_wait_for_their_gradients_and_for_each_other():
    cost = LinkCost(compute_seconds=10.0, bytes_per_second=2.0, latency_seconds=1.0)
    ends = finish_times([1.0, 2.0, 9.0], [4, 6, 2], cost.seconds)
    np.testing.assert_allclose(ends, [1 + 1 + 2, 4 + 1 + 3, 9 + 1 + 1])
    assert exposed_seconds([0.1, 0.2, 0.9], [4, 6, 2], cost) == pytest.approx(1)
    assert exposed_seconds([0.1, 0.2], [4, 6], cost) == 0
    assert exposed_seconds([], [], cost) == 0


@pytest.mark.parametrize("latency", [0.0, 1e-3])
@pytest.mark.parametrize("bytes_per_second", [2e3, 2e4, 2e5])
def test_no_grouping_exposes_less_than_the_bound(bytes_per_second, latency):
    gradients, sizes = _gradients(9), _bytes(9)
    ready = [gradient.ready for gradient in gradients]
    cost = LinkCost(1.0, bytes_per_second, latency)
    bound = least_exposed_seconds(ready, sizes, cost)
    cuts = [c for n in range(9) for c in itertools.combinations(range(1, 9), n)]
    exposed = [
        _exposed(
            [list(range(a, b)) for a, b in itertools.pairwise((0, *cut, 9))],
            gradients,
            sizes,
            cost,
        )
        for cut in cuts
    ]
    assert min(exposed) >= bound > 0
    if not latency:  # then every gradient alone is as good as can be
        assert min(exposed) == pytest.approx(bound)


def test_what_is_sent_after_the_last_gradient_bounds_what_can_be_hidden():
    cost = LinkCost(compute_seconds=10.0, bytes_per_second=2.0, latency_seconds=1.0)
    assert least_exposed_seconds([0.1, 0.9], [4, 6], cost) == pytest.approx(3)
    # All that is sent after the first one takes longer than the last alone.
    assert least_exposed_seconds([0.6, 0.9], [14, 2], cost) == pytest.approx(5)
    assert least_exposed_seconds([], [], cost) == 0


@pytest.mark.parametrize(
    "wrong",
    [(-1, 1, 0), (1, 0, 0), (1, 1, float("nan")), (float("inf"), 1, 0)],
)
def test_links_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must be (positive|0 or more) and finite"):
        LinkCost(*wrong)
