"""Checksums of a checkpoint's files: written last, verified before use.

Orbax restores a file with a flipped bit as it is; what is listed here is not trusted
until it was read again and found the same.
"""

import hashlib
import json
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

MANIFEST = "manifest.json"
_READERS = 4  # hashing lets go of the interpreter's lock
_LARGEST = 64 << 20  # bytes of a manifest; a larger one is not a manifest


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(directory: pathlib.Path) -> list[str]:
    paths = (p for p in directory.rglob("*") if not p.is_dir())
    names = sorted(p.relative_to(directory).as_posix() for p in paths)
    return [name for name in names if not name.startswith(MANIFEST)]


def write_manifest(directory: pathlib.Path, format_version: int) -> None:
    """Lists every file of `directory` with size and checksum; all of it is on disk.

    The manifest appears at once and whole, after everything that it lists was
    fsynced: a directory that has one was complete.
    """
    names = _files(directory)
    paths = [directory / name for name in names]
    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(_fsync, paths))
        digests = list(pool.map(_digest, paths))
    listed = {
        name: {"bytes": path.stat().st_size, "sha256": digest}
        for name, path, digest in zip(names, paths, digests, strict=True)
    }
    text = json.dumps(listed, sort_keys=True)
    content = {
        "format_version": format_version,
        "files": listed,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    building = directory / f"{MANIFEST}.building"
    building.write_text(json.dumps(content, indent=1) + "\n")
    _fsync(building)
    building.replace(directory / MANIFEST)
    _fsync(directory)
    _fsync(directory.parent)


def has_manifest(directory: pathlib.Path) -> bool:
    """Whether the save of `directory` ended once, whatever became of it since."""
    return os.path.lexists(directory / MANIFEST)


def _listed(directory: pathlib.Path, format_version: int) -> dict | str:
    """The files that the manifest lists, or why it cannot be trusted."""
    path = directory / MANIFEST
    if not has_manifest(directory):
        return "it has no manifest, so its save did not end"
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return f"{MANIFEST} is damaged"
        content = json.loads(path.read_bytes())
        version, files = content["format_version"], content["files"]
        text = json.dumps(files, sort_keys=True)
        same = content["sha256"] == hashlib.sha256(text.encode()).hexdigest()
        if not same or not all(f["bytes"] >= 0 and f["sha256"] for f in files.values()):
            return f"{MANIFEST} is damaged"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{MANIFEST} is damaged"
    if version != format_version:
        return f"it has format version {version}, this program reads {format_version}"
    return files


def why_not_good(
    directory: pathlib.Path, format_version: int, *, read_all: bool = True
) -> str | None:
    """Says what is wrong with `directory`, or None if it is as it was written.

    Args:
      directory: of one step.
      format_version: that can be read.
      read_all: False compares names and sizes only, which reads no data.
    """
    listed = _listed(directory, format_version)
    if isinstance(listed, str):
        return listed
    present = _files(directory)
    for name in present:
        if (directory / name).is_symlink() or not (directory / name).is_file():
            return f"{name} is a link or no file"
    # Compared with what is there, so no name in a manifest leads out of its directory.
    for name in sorted(listed.keys() - set(present)):
        return f"{name} is missing"
    for name in sorted(set(present) - listed.keys()):
        return f"{name} was not there when it was saved"
    try:
        for name in present:
            found, wanted = (directory / name).stat().st_size, listed[name]["bytes"]
            if found != wanted:
                return f"{name} has {found} bytes instead of {wanted}"
        if read_all:
            with ThreadPoolExecutor(_READERS) as pool:
                digests = list(pool.map(_digest, (directory / n for n in present)))
            for name, digest in zip(present, digests, strict=True):
                if digest != listed[name]["sha256"]:
                    return f"{name} is not what was written (its checksum differs)"
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"
    return None


def judge_steps(root: pathlib.Path, format_version: int) -> dict[str, str | None]:
    """Judges every step below `root`: name -> what is wrong, or None."""
    steps = sorted((p for p in root.glob("[0-9]*") if p.name.isdigit()), key=_number)
    return {p.name: why_not_good(p, format_version) for p in steps}


def _number(path: pathlib.Path) -> int:
    return int(path.name)
