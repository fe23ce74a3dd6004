"""Laws of the all-reduce's time: closed forms, limits, and the published 35 ms."""

import dataclasses

import numpy as np
import pytest

from parallel.network_model import ClusterNetwork, Link, ring_seconds, tree_seconds

LINK = Link(latency_seconds=2e-6, bytes_per_second=1e9)
FAST = Link(latency_seconds=1e-6, bytes_per_second=8e9)
SLOW_INSIDE = ClusterNetwork(4, inside=LINK, across=FAST)
CLUSTER = ClusterNetwork(4, inside=FAST, across=LINK)
SIZES = (0.0, 1e3, 1e6, 1e9)
DEVICES = (1, 2, 4, 8, 32, 256, 4_096)
WAYS = (
    ClusterNetwork.flat_ring_seconds,
    ClusterNetwork.flat_tree_seconds,
    ClusterNetwork.hierarchical_seconds,
    ClusterNetwork.all_reduce_seconds,
)


def played_ring(num_bytes, num_devices, link):
    """Every device sends a part to the next as soon as it has what it adds to."""
    clocks = np.zeros(num_devices)
    for _ in range(2 * (num_devices - 1)):
        arrives = np.roll(clocks, 1) + link.seconds(num_bytes / num_devices)
        clocks = np.maximum(clocks, arrives)
    return clocks.max()


@pytest.mark.parametrize("num_devices", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("num_bytes", SIZES)
def test_the_ring_takes_as_long_as_its_messages(num_bytes, num_devices):
    assert ring_seconds(num_bytes, num_devices, LINK) == pytest.approx(
        played_ring(num_bytes, num_devices, LINK), rel=1e-12
    )
    share = (num_devices - 1) / num_devices
    assert ring_seconds(num_bytes, num_devices, LINK) == pytest.approx(
        2 * (num_devices - 1) * 2e-6 + 2 * share * num_bytes / 1e9
    )


def test_the_published_ring_of_441_mb_takes_about_35_ms():
    seconds = ring_seconds(441e6, 4_600, Link(0.0, 25e9))
    assert seconds == pytest.approx(35e-3, rel=0.01)


def test_latency_grows_with_devices_in_a_ring_and_with_their_logarithm_in_a_tree():
    assert ring_seconds(0, 1_024, LINK) == pytest.approx(2 * 1_023 * 2e-6)
    assert tree_seconds(0, 1_024, LINK) == pytest.approx(2 * 10 * 2e-6)
    assert tree_seconds(1e9, 1, LINK) == 0


def test_a_hierarchy_of_one_device_a_node_is_flat():
    single = ClusterNetwork(1, inside=FAST, across=LINK)
    for num_bytes in SIZES:
        assert single.hierarchical_seconds(num_bytes, 32) == min(
            ring_seconds(num_bytes, 32, LINK), tree_seconds(num_bytes, 32, LINK)
        )


@pytest.mark.parametrize("way", WAYS)
def test_inside_one_node_the_link_between_nodes_does_not_matter(way):
    slower = dataclasses.replace(CLUSTER, across=Link(1.0, 1.0))
    for num_bytes in SIZES:
        for n in (1, 2, 4):
            assert way(slower, num_bytes, n) == way(CLUSTER, num_bytes, n)


# Two nodes of four, 8 MB. By hand: 1 MB messages round the ring of eight, 2 MB ones
# round the four of a node, and all 8 MB over the node's link, up and down.
BY_HAND = {
    "a ring, as slow as the link across": (
        *(ClusterNetwork.flat_ring_seconds, CLUSTER),
        14 * (2e-6 + 1e6 / 1e9),
    ),
    "a ring, as slow as the link inside": (
        *(
            ClusterNetwork.flat_ring_seconds,
            SLOW_INSIDE,
        ),
        14 * (2e-6 + 1e6 / 1e9),
    ),
    "trees, as slow as the link across": (
        *(ClusterNetwork.flat_tree_seconds, CLUSTER),
        2 * 3 * 1e-6 + 2 * (2e-6 + 8e6 / 1e9),
    ),
    "trees, as slow as the link inside": (
        *(
            ClusterNetwork.flat_tree_seconds,
            SLOW_INSIDE,
        ),
        2 * 3 * 2e-6 + 2 * 8e6 / 1e9,
    ),
    "a hierarchy": (
        *(ClusterNetwork.hierarchical_seconds, CLUSTER),
        6 * (1e-6 + 2e6 / 8e9) + 2 * (2e-6 + 4e6 / 1e9),
    ),
}


@pytest.mark.parametrize(("way", "cluster", "seconds"), BY_HAND.values(), ids=BY_HAND)
def test_two_nodes_take_as_long_as_by_hand(way, cluster, seconds):
    assert way(cluster, 8e6, 8) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_more_devices_or_bytes_never_take_less(way):
    for num_bytes in SIZES:
        seconds = [way(CLUSTER, num_bytes, n) for n in DEVICES]
        assert seconds[0] == 0
        assert sorted(seconds) == seconds
        more = [way(CLUSTER, 2 * num_bytes, n) for n in DEVICES]
        assert all(a <= b for a, b in zip(seconds, more, strict=True))


@pytest.mark.parametrize("num_devices", DEVICES)
def test_the_fastest_of_three_is_chosen(num_devices):
    for num_bytes in SIZES:
        assert CLUSTER.all_reduce_seconds(num_bytes, num_devices) == min(
            CLUSTER.flat_ring_seconds(num_bytes, num_devices),
            CLUSTER.flat_tree_seconds(num_bytes, num_devices),
            CLUSTER.hierarchical_seconds(num_bytes, num_devices),
        )


def test_no_way_beats_the_nodes_bandwidth():
    # Each node must send and receive all but its own part, twice.
    for n in (8, 32, 4_096):
        nodes = n / 4
        bound = 2 * (nodes - 1) / nodes * 1e9 / 1e9
        assert CLUSTER.all_reduce_seconds(1e9, n) >= bound


def test_a_link_that_sends_nothing_is_refused():
    with pytest.raises(ValueError, match="bandwidth > 0"):
        Link(0.0, 0.0)
    with pytest.raises(ValueError, match="latency >= 0"):
        Link(-1.0, 1.0)
    with pytest.raises(ValueError, match="devices_per_node=0"):
        ClusterNetwork(0, inside=FAST, across=LINK)
