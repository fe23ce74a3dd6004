"""Seconds that an all-reduce takes, by latency and bandwidth of the links."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Link:
    """One kind of connection.

    Attributes:
      latency_seconds: of one hop, the pipeline's first chunk included.
      bytes_per_second: in each direction at once.
    """

    latency_seconds: float
    bytes_per_second: float

    def __post_init__(self):
        """Checks that something can be sent."""
        if not (self.latency_seconds >= 0 and self.bytes_per_second > 0):
            raise ValueError(f"a link needs latency >= 0 and bandwidth > 0: {self}.")

    def seconds(self, num_bytes: float) -> float:
        """Of one message."""
        return self.latency_seconds + num_bytes / self.bytes_per_second


def ring_seconds(num_bytes: float, num_devices: int, link: Link) -> float:
    """Reduce-scatter and all-gather round a ring: 2 (n - 1) messages of 1 / n each."""
    return 2 * (num_devices - 1) * link.seconds(num_bytes / num_devices)


def tree_seconds(num_bytes: float, num_devices: int, link: Link) -> float:
    """Up and down two binary trees of half the bytes each, pipelined.

    Every device is inner in one tree and a leaf in the other, so all send and receive
    everything once up and once down (Sanders, Speck and Träff 2009).
    """
    if num_devices == 1:
        return 0.0
    depth = math.ceil(math.log2(num_devices))
    return 2 * (depth * link.latency_seconds + num_bytes / link.bytes_per_second)


@dataclasses.dataclass(frozen=True)
class ClusterNetwork:
    """Nodes of several devices.

    Attributes:
      devices_per_node: that share the node's link to the others.
      inside: between the devices of a node.
      across: between nodes.
    """

    devices_per_node: int
    inside: Link
    across: Link

    def __post_init__(self):
        """Checks that nodes have devices."""
        if self.devices_per_node < 1:
            raise ValueError(f"devices_per_node={self.devices_per_node}: at least 1.")

    def _num_nodes(self, num_devices: int) -> int:
        return -(-num_devices // self.devices_per_node)

    def flat_ring_seconds(self, num_bytes: float, num_devices: int) -> float:
        """One ring through all devices, as slow as its slowest link."""
        inside = ring_seconds(num_bytes, num_devices, self.inside)
        if num_devices <= self.devices_per_node:
            return inside
        return max(inside, ring_seconds(num_bytes, num_devices, self.across))

    def flat_tree_seconds(self, num_bytes: float, num_devices: int) -> float:
        """Trees of nodes; inside a node, the bytes pass from device to device."""
        if num_devices <= self.devices_per_node:
            return tree_seconds(num_bytes, num_devices, self.inside)
        hops = 2 * (self.devices_per_node - 1) * self.inside.latency_seconds
        passing = 2 * num_bytes / self.inside.bytes_per_second
        nodes = self._num_nodes(num_devices)
        return hops + max(tree_seconds(num_bytes, nodes, self.across), passing)

    def hierarchical_seconds(self, num_bytes: float, num_devices: int) -> float:
        """Reduce-scatter inside, all-reduce across, all-gather inside.

        Each device reduces its part across; the parts share the node's link, so
        together they take as long as all bytes would alone.
        """
        local = min(num_devices, self.devices_per_node)
        nodes = self._num_nodes(num_devices)
        across = min(
            ring_seconds(num_bytes, nodes, self.across),
            tree_seconds(num_bytes, nodes, self.across),
        )
        return ring_seconds(num_bytes, local, self.inside) + across

    def all_reduce_seconds(self, num_bytes: float, num_devices: int) -> float:
        """Of the fastest of the three, which libraries choose by themselves."""
        return min(
            self.flat_ring_seconds(num_bytes, num_devices),
            self.flat_tree_seconds(num_bytes, num_devices),
            self.hierarchical_seconds(num_bytes, num_devices),
        )
