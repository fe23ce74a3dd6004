"""What compilers must be told: to keep a reduction plan, and to convolve fast."""

# Every back end merges small all-reduces into large ones unless it is told not to. The
# names are their own back end's: another refuses them, or takes them and does nothing.
_KEEP_GROUPS = {
    "cpu": {"xla_disable_hlo_passes": "cpu-all-reduce-combiner"},
    "gpu": {"xla_gpu_all_reduce_combine_threshold_bytes": 0},
    "tpu": {
        "xla_jf_crs_combiner_threshold_in_bytes": 0,
        "xla_jf_crs_combiner_threshold_count": 1,
    },
}

PLATFORMS = tuple(_KEEP_GROUPS)

# A TPU reduces while it computes only if it is told to; which way a chip knows depends
# on whether it has sparse cores, and the compiler refuses the other.
_OFFLOADED = {
    "xla_tpu_enable_sparse_core_collective_offload_all_reduce": True,
    "xla_tpu_enable_async_collective_fusion_fuse_all_reduce": False,
}
_FUSED = {
    "xla_tpu_enable_async_collective_fusion": True,
    "xla_tpu_enable_async_collective_fusion_fuse_all_reduce": True,
    "xla_tpu_enable_async_collective_fusion_multiple_steps": True,
}
_WITHOUT_SPARSE_CORES = ("TPU v5 lite", "TPU v5e")


# YNNPACK keeps products and sums on CPUs, but gets no convolutions: those that it would
# replace are faster, kernels' gradients most of all (benchmarks/convolution.py).
_CONVOLUTIONS = {
    "cpu": {
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,"
        "LIBRARY_FUSION_TYPE_REDUCE"
    }
}


def convolution_options(platform: str) -> dict[str, str | int | bool]:
    """Options of `jax.jit(..., compiler_options=...)` for a step of convolutions."""
    return dict(_CONVOLUTIONS.get(platform, {}))


def asynchronous_options(device_kind: str) -> dict[str, str | int | bool]:
    """Options under which reductions may run beside compute.

    Args:
      device_kind: as `jax.Device.device_kind` names it, e.g. "TPU v5". Only TPUs from
        v5 on need any.
    """
    if not device_kind.startswith("TPU"):
        return {}
    return dict(_FUSED if device_kind in _WITHOUT_SPARSE_CORES else _OFFLOADED)


def compiler_options(
    platform: str, device_kind: str = ""
) -> dict[str, str | int | bool]:
    """Options of `jax.jit(..., compiler_options=...)` that leave groups as planned.

    Args:
      platform: "cpu", "gpu" (or "cuda") or "tpu".
      device_kind: see `asynchronous_options`, which are added.

    Raises:
      ValueError: another platform.
    """
    name = "gpu" if platform in ("cuda", "rocm") else platform
    if name not in _KEEP_GROUPS:
        raise ValueError(
            f"platform={platform!r}: options are known for {', '.join(_KEEP_GROUPS)}."
        )
    return _KEEP_GROUPS[name] | asynchronous_options(device_kind)
