"""Small files that others read: all of one is there, or what was there before."""

import pathlib


def write_whole(path: pathlib.Path, text: str) -> None:
    """Writes `text` beside `path` and renames it, so no reader sees a part.

    It is not fsynced: after a loss of power it may be the file that was there before,
    or an empty one (`parallel.manifest` is for what must outlive that).

    Raises:
      OSError: the disk is full or not writable; `path` is as it was.
    """
    building = path.with_name(f"{path.name}.building")
    building.write_text(text)
    building.replace(path)
