"""Devices that are described and not there: programs compile for them all the same.

For NVIDIA GPUs the wheels jax-cuda12-pjrt and jax-cuda12-plugin must be installed (no
GPU, none of their dependencies), for TPUs libtpu.
"""

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from parallel.errors import RunError

_NEWER = "collective_memory_granularity"


def described_mesh(
    platform: str, topology: str, axis_name: str, description: str | None = None
) -> Mesh:
    """Lays described devices out on one axis.

    Args:
      platform: "cuda" or "tpu".
      topology: for "cuda" slices x hosts x GPUs of a host, e.g. "1x4x8"; for "tpu" the
        slice, e.g. "v5p:2x2x2".
      axis_name: of the mesh.
      description: for "cuda", what the compiler must know of the GPU: a text of its
        own, as it prints for a GPU that is there.

    Raises:
      RunError: the compiler for that platform is not installed, or refuses.
    """
    if platform == "cuda":
        if description and jax.__version_info__ < (0, 11):
            # The compiler of then does not know it, and refuses what it does not know.
            lines = description.splitlines()
            description = "\n".join(x for x in lines if _NEWER not in x)
        asked = {"topology": topology, "target_config": description}
    else:
        asked = {"topology_name": topology}
    try:
        devices = topologies.get_topology_desc(platform=platform, **asked).devices
    except (RuntimeError, ValueError, NotImplementedError) as error:
        wheels = {
            "cuda": "jax-cuda12-pjrt and jax-cuda12-plugin",
            "tpu": "libtpu",
        }[platform]
        why = str(error).splitlines()[0][:200]
        raise RunError(
            f"nothing can be compiled for {platform} {topology} here ({why}); "
            f"install {wheels}."
        ) from error
    return Mesh(np.array(devices).ravel(), (axis_name,), axis_types=(AxisType.Auto,))
