"""Tells XLA's scheduler what every instruction is predicted to take.

Its own estimates know nothing of the link. Where they are too short, it waits for a
reduction that is still under way while compute is left that could have run meanwhile.
A profile in the format of its profile-guided scheduling, of a replay instead of a run,
gives it the durations that `parallel.schedule_cost` assumes. On devices that are there,
`jax_enable_pgle` measures them instead.
"""

import hashlib
import pathlib

from parallel.hlo_program import read_program
from parallel.schedule_cost import Machine, replay

_OPTION = {
    "gpu": "xla_gpu_pgle_profile_file_or_directory_path",
    "cuda": "xla_gpu_pgle_profile_file_or_directory_path",
}
PLATFORMS = tuple(_OPTION)


def latency_profile(text: str, machine: Machine) -> str:
    """Predicted durations of a compiled program, as XLA's scheduler reads them.

    Args:
      text: optimized HLO of the program, compiled without a profile.
      machine: that it is replayed on.

    Returns:
      A `tensorflow.profiler.ProfiledInstructionsProto` in text format, in µs; of an
      asynchronous collective the start carries the duration.
    """
    # Of an instruction in a loop, one time: its computation is scheduled once.
    seconds = {
        event.name: event.end - event.begin
        for event in replay(read_program(text), machine)[1]
        if event.lane != "waiting"
    }
    return "".join(
        f'costs {{ name: "{name}" cost_us: {1e6 * value:.3f} }}\n'
        for name, value in seconds.items()
    )


def profile_options(
    platform: str, text: str, machine: Machine, directory: pathlib.Path
) -> dict[str, str]:
    """Writes the profile and returns the option that makes the compiler read it.

    Args:
      platform: one of PLATFORMS.
      text: see `latency_profile`.
      machine: see `latency_profile`.
      directory: where profiles are kept, each named by its content.

    Raises:
      ValueError: that platform's compiler reads no profile.
    """
    if platform not in _OPTION:
        raise ValueError(
            f"platform={platform!r}: only the compilers for {', '.join(PLATFORMS)} "
            "read a profile."
        )
    profile = latency_profile(text, machine)
    name = hashlib.sha256(profile.encode()).hexdigest()[:32]
    path = directory / f"{name}.pbtxt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(profile)
    return {_OPTION[platform]: str(path)}
