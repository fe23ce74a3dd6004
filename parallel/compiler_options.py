"""What the compiler must be told so that a reduction plan survives it."""

# Every back end merges small all-reduces into large ones unless it is told not to; the
# names are known to their own back end alone, which refuses those of another.
_KEEP_GROUPS = {
    "cpu": {"xla_disable_hlo_passes": "cpu-all-reduce-combiner"},
    "gpu": {"xla_gpu_all_reduce_combine_threshold_bytes": 0},
    "tpu": {
        "xla_jf_crs_combiner_threshold_in_bytes": 0,
        "xla_jf_crs_combiner_threshold_count": 1,
    },
}

PLATFORMS = tuple(_KEEP_GROUPS)


def compiler_options(platform: str) -> dict[str, str | int | bool]:
    """Options of `jax.jit(..., compiler_options=...)` that leave groups as planned.

    Args:
      platform: "cpu", "gpu" (or "cuda") or "tpu".

    Raises:
      ValueError: another platform.
    """
    name = "gpu" if platform in ("cuda", "rocm") else platform
    if name not in _KEEP_GROUPS:
        raise ValueError(
            f"platform={platform!r}: options are known for {', '.join(_KEEP_GROUPS)}."
        )
    return dict(_KEEP_GROUPS[name])
