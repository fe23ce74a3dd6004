"""Numbered examples in files that say what they hold, and notice when they do not.

A split is a row of shards, `train-00000.array_record`, each with a `.json` beside it:
which numbers, which arrays, the file's SHA-256. A shard counts once its `.json` is
there, which is written last, so that a writer that was killed goes on where it stopped.
"""

import hashlib
import json
import logging
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import DataError

Example = dict[str, np.ndarray]
WHEN_CORRUPT = ("stop", "skip")
_MOST_EXAMPLES = 1 << 22  # of a shard; each number is kept in memory

log = logging.getLogger("run.input_pipeline")


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(path: pathlib.Path) -> str | None:
    """Of what can be read; None if it cannot."""
    try:
        return _sha256(path)
    except OSError:
        return None


def shard_path(folder: pathlib.Path, split: str, shard: int) -> pathlib.Path:
    """File of a shard; its description has the suffix ".json"."""
    return folder / f"{split}-{shard:05d}.array_record"


def is_written(
    folder: pathlib.Path, split: str, shard: int, first: int, count: int
) -> bool:
    """Whether a shard holds `count` examples from number `first` on."""
    path = shard_path(folder, split, shard).with_suffix(".json")
    try:
        said = json.loads(path.read_text())
        return (said["first"], said["count"]) == (first, count)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def write_shard(
    folder: pathlib.Path,
    split: str,
    shard: int,
    first: int,
    examples: Iterable[Example],
    keys: Sequence[str],
) -> None:
    """Writes one shard: its file, then what it says of itself.

    Args:
      folder: of the set.
      split: whose examples.
      shard: number of the shard.
      first: number of its first example.
      examples: arrays of the same shapes and types each.
      keys: what each example can be made again from, in hexadecimal.
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    path = shard_path(folder, split, shard)
    building = path.with_suffix(".building")
    # One example a group, so that reading one decompresses no other.
    writer = ArrayRecordWriter(str(building), "group_size:1,zstd:3")
    fields, count = {}, 0
    for example in examples:
        little = {n: a.astype(a.dtype.newbyteorder("<")) for n, a in example.items()}
        fields = {n: [a.dtype.str, list(a.shape)] for n, a in little.items()}
        writer.write(b"".join(a.tobytes() for a in little.values()))
        count += 1
    writer.close()
    os.replace(building, path)
    described = {
        "first": first,
        "count": count,
        "fields": fields,
        "sha256": _sha256(path),
        "keys": list(keys),
    }
    building.write_text(json.dumps(described, indent=1) + "\n")
    os.replace(building, path.with_suffix(".json"))


class StoredExamples:
    """The examples of one split, by number.

    Every shard is read once against its checksum when the set is opened: what is
    damaged is known before the first step.
    """

    def __init__(self, folder: str, split: str, when_corrupt: str = "stop"):
        """Opens and checks the shards.

        Args:
          folder: of the set.
          split: whose examples.
          when_corrupt: "stop", or "skip": other examples take the place of lost ones,
            the same in every process and every run.

        Raises:
          DataError: there is no such split, a shard is missing, or one is corrupt and
            `when_corrupt` is "stop".
        """
        self._folder, self._split = pathlib.Path(folder).expanduser(), split
        descriptions = sorted(self._folder.glob(f"{split}-*.json"))
        if not descriptions:
            raise DataError(
                f"{self._folder}: holds no examples of {split!r}; write them with "
                "--mode=simulate."
            )
        self._shards, self.corrupt, lost = [], [], 0
        digest = hashlib.sha256()
        self.num_examples = 0
        for number, path in enumerate(descriptions):
            said = self._description(path, number)
            file, end = path.with_suffix(".array_record"), said["first"] + said["count"]
            if _checksum(file) != said["sha256"]:
                self._lose(file, said, when_corrupt)
                lost += said["count"]
            else:
                self._shards.append((range(said["first"], end), said["fields"], file))
                digest.update(f"{said['first']} {said['sha256']};".encode())
            self.num_examples = end
        if not self._shards:
            raise DataError(f"{self._folder}: every shard of {split!r} is corrupt.")
        self.digest = digest.hexdigest()  # of what can be read
        self._readable = [n for numbers, _, _ in self._shards for n in numbers]
        self._readers: dict[pathlib.Path, Any] = {}
        if lost:
            log.warning(
                "%d of %d examples of %r are skipped", lost, self.num_examples, split
            )

    def _description(self, path: pathlib.Path, number: int) -> dict:
        try:
            said = json.loads(path.read_text())
            first, count = said["first"], said["count"]
            if not isinstance(count, int) or not 0 < count <= _MOST_EXAMPLES:
                raise ValueError(f"count={count!r}")
            for name, (dtype, shape) in said["fields"].items():
                if np.dtype(dtype).hasobject or min([0, *shape]) < 0:
                    raise ValueError(f"{name}: {dtype} {shape}")
            said["sha256"], first + 0
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); delete it and write the shard "
                "again with --mode=simulate."
            ) from error
        expected = shard_path(self._folder, self._split, number).with_suffix(".json")
        if path != expected or first != self.num_examples:
            raise DataError(
                f"{expected}: is missing, or does not begin with example "
                f"{self.num_examples}; write it again with --mode=simulate."
            )
        return said

    def _lose(self, file: pathlib.Path, said: dict, when_corrupt: str) -> None:
        what = "is not what was written" if file.exists() else "is missing"
        if when_corrupt == "stop":
            raise DataError(
                f"{file}: {what} (SHA-256); delete its .json and write it again with "
                "--mode=simulate, or set config.dataset.corrupt_shards='skip'."
            )
        log.warning("%s %s: %d examples are skipped", file, what, said["count"])
        self.corrupt.append(file)

    def _one(self, number: int) -> Example:
        for numbers, fields, file in self._shards:
            if number in numbers:
                return self._decode(file, number - numbers.start, fields)
        # Lost: another takes its place, wherever and whenever it is asked for.
        return self._one(self._readable[number % len(self._readable)])

    def _decode(self, file: pathlib.Path, place: int, fields: dict) -> Example:
        from array_record.python.array_record_module import ArrayRecordReader

        try:
            if file not in self._readers:
                self._readers[file] = ArrayRecordReader(str(file))
            (record,) = self._readers[file].read([place])
            example, start = {}, 0
            for name, (dtype, shape) in fields.items():
                count = int(np.prod(shape, dtype=int))
                array = np.frombuffer(record, dtype, count, start).reshape(shape)
                example[name] = array
                start += array.nbytes
            return example
        # Its checksum is right: what is wrong is what its .json says of it.
        except Exception as error:
            raise DataError(
                f"{file}: is not what its .json says ({type(error).__name__}); delete "
                "that and write the shard again with --mode=simulate."
            ) from error

    def read(self, numbers: np.ndarray) -> Example:
        """Reads examples.

        Args:
          numbers: uint32 [n, 2], (high, low) halves, see SimulatedBatches.

        Returns:
          Arrays with a leading axis [n].

        Raises:
          DataError: there are not as many examples.
        """
        whole = [(int(high) << 32) + int(low) for high, low in numbers]
        if max(whole) >= self.num_examples:
            raise DataError(
                f"{self._folder}: holds {self.num_examples} examples of "
                f"{self._split!r}, and number {max(whole)} is asked for; write more "
                "with --mode=simulate, or train on fewer: config.dataset.num_examples."
            )
        examples = [self._one(number) for number in whole]
        return {name: np.stack([e[name] for e in examples]) for name in examples[0]}
