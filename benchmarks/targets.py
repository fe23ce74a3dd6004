"""Slices of machines that programs are compiled for, without the machines.

What a device sustains is assumed: about 45 % of the published peak in products of
16-bit numbers, about 83 % of the memory's bandwidth.
"""

import pathlib
from typing import NamedTuple

from jax.sharding import Mesh

from parallel.described_devices import described_mesh
from parallel.schedule_cost import Machine

# Of any collective of nothing, on 8 devices as on 256. A ring's grows with them: on
# many, ways of many small groups look better here than they are.
LINK_SECONDS = 20e-6
LINKS = (200.0, 50.0, 25.0, 5.0)  # GB/s of a device, that schedules are replayed on
_H200 = pathlib.Path(__file__).parent / "gpu_specs" / "h200.txtpb"


class Target(NamedTuple):
    """Some devices and what one of them is assumed to sustain.

    Attributes:
      platform: "cuda" or "tpu".
      topology: see `described_mesh`.
      tflops: in products of 16-bit numbers.
      memory_tb_per_second: of its memory.
    """

    platform: str
    topology: str
    tflops: float
    memory_tb_per_second: float

    def mesh(self, axis_name: str) -> Mesh:
        """Lays the devices out on one axis."""
        description = _H200.read_text() if self.platform == "cuda" else None
        return described_mesh(self.platform, self.topology, axis_name, description)

    def machine(self, link_gb_per_second: float) -> Machine:
        """What schedules are replayed on; the link is that of one device."""
        return Machine(
            flops_per_second=1e12 * self.tflops,
            memory_bytes_per_second=1e12 * self.memory_tb_per_second,
            launch_seconds=2e-6,
            link_bytes_per_second=1e9 * link_gb_per_second,
            link_seconds=LINK_SECONDS,
        )


TARGETS = {
    "h200_1x8": Target("cuda", "1x1x8", 400.0, 4.0),
    "h200_4x8": Target("cuda", "1x4x8", 400.0, 4.0),
    "h200_32x8": Target("cuda", "1x32x8", 400.0, 4.0),
    "v5p_8": Target("tpu", "v5p:2x2x2", 205.0, 2.3),
    "v5e_8": Target("tpu", "v5e:2x4", 90.0, 0.68),
    "v6e_8": Target("tpu", "v6e:2x4", 410.0, 1.36),
}
