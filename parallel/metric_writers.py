"""What a run leaves for people: JSON lines, TensorBoard events and pictures."""

import contextlib
import json
import math
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from tensorboardX import SummaryWriter

from parallel.agreement import from_first
from parallel.whole_file import write_whole

_MARGIN = 2  # pixels of grey between the images of a grid
_GREY = 127


def tile(images: np.ndarray) -> np.ndarray:
    """Lays images out in a grid with thin grey margins.

    Args:
      images: uint8 [rows, columns, y, x, c].

    Returns:
      uint8 [y', x', c].
    """
    m = _MARGIN
    framed = np.pad(
        images, [(0, 0), (0, 0), (0, m), (0, m), (0, 0)], constant_values=_GREY
    )
    rows, columns, y, x, c = framed.shape
    grid = framed.transpose(0, 2, 1, 3, 4).reshape(rows * y, columns * x, c)
    return np.pad(grid, [(m, 0), (m, 0), (0, 0)], constant_values=_GREY)


def save_png(path: pathlib.Path, image: np.ndarray) -> None:
    """Writes uint8 [y, x, c], c = 1 or 3, to `path`, all of it or nothing."""
    building = path.with_suffix(".building.png")
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(building)
    building.replace(path)


def _whole_lines(path: pathlib.Path) -> Iterator[tuple[str, dict]]:
    """Yields each line that tells of a step, and what it says."""
    if not path.exists():
        return
    for text in path.read_text(errors="replace").splitlines():
        # A killed process leaves half a line, and a disk may damage one.
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(text)
            if isinstance(said, dict) and isinstance(said.get("step"), int | float):
                yield text, said


def _drop_later_lines(path: pathlib.Path, step: int) -> None:
    if path.exists():
        kept = [text for text, said in _whole_lines(path) if said["step"] <= step]
        write_whole(path, "".join(f"{line}\n" for line in kept))


def _is_number(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


class MetricWriter:
    """Writes into one workdir; a process that is not the first writes nothing."""

    def __init__(
        self, workdir: pathlib.Path, *, enabled: bool, resume_step: int | None
    ):
        """Opens the files.

        Args:
          workdir: existing directory.
          enabled: False on every process but one.
          resume_step: lines of later steps are dropped, so that the files end as
            those of a run that was never interrupted; None keeps every line.
        """
        self._workdir = pathlib.Path(workdir)
        self._enabled = enabled
        self._events = None
        if enabled:
            purge_step = None
            if resume_step is not None:
                purge_step = resume_step + 1
                for name in ("metrics.jsonl", "eval.jsonl"):
                    _drop_later_lines(self._workdir / name, resume_step)
            self._events = SummaryWriter(
                str(self._workdir / "events"), purge_step=purge_step
            )

    def _write(self, name: str, step: int, values: dict) -> None:
        if not self._enabled:
            return
        # JSON has no word for NaN and infinity: readers but Python's refuse them.
        known = {k: v if _is_number(v) else None for k, v in values.items()}
        with (self._workdir / name).open("a") as file:
            file.write(json.dumps({"step": step, **known}, allow_nan=False) + "\n")
        for key, value in known.items():
            if isinstance(value, float):
                self._events.add_scalar(key, value, step)
        self._events.flush()

    def scalars(self, step: int, values: dict) -> None:
        """Appends one line to metrics.jsonl, NaN as null; floats go to TensorBoard."""
        self._write("metrics.jsonl", step, values)

    def scores(self, step: int, values: dict) -> None:
        """Appends one line to eval.jsonl, NaN as null; floats go to TensorBoard."""
        self._write("eval.jsonl", step, values)

    def has_scores(self, step: int) -> bool:
        """Whether the run has scored `step`; all processes ask, and hear the same.

        Scores of a checkpoint that somebody asked for later offered nothing as the
        best, so they do not count.
        """
        found = self._enabled and any(
            said["step"] == step and "checkpoint" not in said
            for _, said in _whole_lines(self._workdir / "eval.jsonl")
        )
        return bool(from_first(int(found)))

    def image_grid(self, name: str, images: np.ndarray) -> pathlib.Path:
        """Writes NAME.png, a grid of uint8 [rows, columns, y, x, c]."""
        path = self._workdir / f"{name}.png"
        if self._enabled:
            save_png(path, tile(images))
        return path

    def close(self) -> None:
        """Closes the event file."""
        if self._events is not None:
            self._events.close()
