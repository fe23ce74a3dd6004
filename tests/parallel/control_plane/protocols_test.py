"""Laws of all four protocols: one list for all ranks, complete, and no dispute."""

import itertools

import numpy as np
import pytest

from parallel.control_plane.readiness import arrivals
from parallel.control_plane.records import Tensor
from parallel.errors import RunError
from tests.parallel.control_plane.small_steps import (
    COST,
    FUSION_BYTES,
    NEGOTIATING,
    NUM_RANKS,
    PROTOCOLS,
    plan,
    play_coordinator,
    play_static_plan,
    play_tree,
    ready,
    tensors,
)

SEEDS = range(4)
CASES = list(itertools.product(NUM_RANKS, (1, 6, 17), SEEDS))


def flat(groups):
    return [place for group in groups for place in group]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_ranks_reduce_the_same_groups_in_the_same_order(protocol):
    for num_ranks, num_tensors, seed in CASES:
        times = ready(num_ranks, num_tensors, seed)
        executed, _ = PROTOCOLS[protocol](tensors(num_tensors, seed), times)
        assert len(executed) == num_ranks
        assert all(groups == executed[0] for groups in executed)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_lost_and_nothing_is_reduced_twice(protocol):
    for num_ranks, num_tensors, seed in CASES:
        times = ready(num_ranks, num_tensors, seed)
        executed, _ = PROTOCOLS[protocol](tensors(num_tensors, seed), times)
        for groups in executed:
            assert sorted(flat(groups)) == list(range(num_tensors))


@pytest.mark.parametrize("protocol", NEGOTIATING)
def test_nothing_is_reduced_before_all_ranks_have_it(protocol):
    for num_ranks, num_tensors, seed in CASES:
        times = ready(num_ranks, num_tensors, seed)
        executed, _ = PROTOCOLS[protocol](tensors(num_tensors, seed), times)
        cycles = times.max(axis=0).astype(int)[flat(executed[0])]
        assert (np.diff(cycles) >= 0).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_groups_keep_to_one_type_and_to_the_bound(protocol):
    for seed in SEEDS:
        of = tensors(17, seed)
        executed, _ = PROTOCOLS[protocol](of, ready(5, 17, seed))
        for group in executed[0]:
            assert len({of[place].dtype for place in group}) == 1
            num_bytes = sum(of[place].num_bytes for place in group)
            assert len(group) == 1 or num_bytes <= FUSION_BYTES


def test_the_static_plan_is_kept_whatever_arrives_first():
    of = tensors(17)
    for num_ranks, seed in itertools.product(NUM_RANKS, SEEDS):
        for times in (ready(num_ranks, 17, seed), ready(num_ranks, 17, seed)[:, ::-1]):
            executed, traffic = play_static_plan(of, times)
            assert executed == [plan(of)] * num_ranks
            assert traffic.messages == traffic.num_bytes == traffic.busiest_records == 0


def test_the_negotiated_order_is_that_of_arrival():
    # The reason for a plan: the same network, another order in every step.
    orders = {
        tuple(flat(play_coordinator(tensors(17), ready(5, 17, s))[0][0])) for s in SEEDS
    }
    assert len(orders) == len(SEEDS)


@pytest.mark.parametrize("protocol", NEGOTIATING)
@pytest.mark.parametrize(
    "other", [Tensor("block_3/kernel", (7, 7)), Tensor("block_3/kernel", (5,), "int32")]
)
def test_who_asks_for_something_else_is_refused_by_tensor_and_rank(protocol, other):
    of = tensors(6)

    def asked(rank, place):
        return other if (rank, place) == (5, 3) else of[place]

    with pytest.raises(RunError, match="tensor 'block_3/kernel' is ") as caught:
        NEGOTIATING[protocol](of, ready(7, 6, 0), asked)
    message = str(caught.value)
    assert f"{other} on rank 5" in message
    assert f"{of[3]} on rank" in message
    assert message.endswith("make all ranks build the same network.")


def test_of_many_ranks_that_agree_the_error_names_a_few():
    of = tensors(1)

    def asked(rank, place):
        return Tensor(of[0].name, (3,)) if rank == 20 else of[0]

    with pytest.raises(RunError, match="rank 0, 1, 2, 3 and 16 more; .* on rank 20:"):
        play_coordinator(of, np.zeros((21, 1)), asked)


def test_the_busiest_rank_of_a_tree_handles_a_few_records_per_tensor():
    for num_ranks, seed in itertools.product((13, 21, 40), SEEDS):
        times = ready(num_ranks, 6, seed)
        _, flat_traffic = play_coordinator(tensors(6), times)
        _, tree_traffic = play_tree(tensors(6), times, arity=3)
        assert flat_traffic.busiest_records == num_ranks * 6
        assert tree_traffic.busiest_records == 4 * 6
        assert tree_traffic.messages == flat_traffic.messages


def test_every_tensor_of_every_rank_arrives_once_and_in_time():
    times = ready(5, 17, 0)
    listed = arrivals(times)
    for rank in range(5):
        in_order = [place for cycle in listed for place in cycle[rank]]
        assert in_order == np.argsort(times[rank]).tolist()
        for number, cycle in enumerate(listed):
            assert (times[rank][cycle[rank]].astype(int) == number).all()


def test_a_cost_is_a_line_through_its_three_numbers():
    assert COST.superstep(1_000, 2) == pytest.approx(3e-6 + 1e-6 + 4e-6)
