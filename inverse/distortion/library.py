"""Simulated crystals on disk: made once, by whoever asks first, in parts that survive.

A part is written under another name and renamed, so that what stands there is whole; a
simulation that is stopped goes on with the part that is missing.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from input_pipeline.npz_sizes import require_honest_sizes
from parallel.errors import RunError
from parallel.mesh import from_first_process, is_first_process, num_processes
from parallel.preemption import stop_between_parts
from parallel.run_log import log

# Fields of the data that change no noise-free image.
_LATER = {
    *("library", "num_examples", "source_rms_a", "log10_dose", "line_jitter_pm"),
    *("origin_pm", "detector_sets", "detector_weights"),
    *("tilt_scale_deg", "shift_scale_pm"),
}


def _read(file: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        require_honest_sizes(file, compressed=False)
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(stored)
    # A damaged file may raise anything at all.
    except Exception as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError(
            f"{file} is damaged ({why}); delete it, and it is made again."
        ) from error


def library_name(dataset: dict, seed: int, split: str) -> str:
    """Name of a split's directory: differs where the crystals or images would."""
    what = {name: value for name, value in dataset.items() if name not in _LATER}
    text = json.dumps([what, seed], sort_keys=True)
    return f"{split}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _file(path: pathlib.Path, start: int, part_size: int) -> pathlib.Path:
    return path / f"{start:09d}-{part_size}.npz"


def open_library(
    path: pathlib.Path,
    make: Callable[[np.ndarray], dict[str, np.ndarray]],
    num: int,
    part_size: int = 16,
) -> dict[str, np.ndarray]:
    """Reads the first `num` examples, or makes and keeps those that are missing.

    Args:
      path: of the split's directory.
      make: numbers uint32 [n, 2] (high, low) -> arrays of n examples; called by all
        processes or by none.
      num: examples that are wanted.
      part_size: examples per file, always the same in one directory.

    Returns:
      Arrays of `num` examples.

    Raises:
      Stopped: a signal or the time limit came while parts were made.
    """
    path.mkdir(parents=True, exist_ok=True)
    parts = []
    starts = range(0, num, part_size)
    missing = sum(not _file(path, start, part_size).exists() for start in starts)
    if missing and is_first_process():
        log.info(
            *("%s: %d of %d crystals are simulated, and kept", path.name),
            *(min(missing * part_size, num), num),
        )
    for start in tqdm(starts, desc=path.name, unit="part", disable=None):
        file = _file(path, start, part_size)
        if from_first_process(float(file.exists())):
            parts.append(_read(file))
            continue
        stop_between_parts(num_processes())
        low = np.arange(start, start + part_size, dtype=np.uint32)
        parts.append(make(np.stack([np.zeros_like(low), low], axis=-1)))
        if is_first_process():
            partial = file.with_suffix(f".{os.getpid()}.partial")
            with partial.open("wb") as stream:
                np.savez(stream, **parts[-1])
            partial.rename(file)
    return {
        name: np.concatenate([part[name] for part in parts])[:num] for name in parts[0]
    }
