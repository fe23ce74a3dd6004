"""Names of cached data sets: readable, and different for different content."""

import hashlib
import pathlib
import re
from typing import NamedTuple

from input_pipeline import array_cache


class CacheKey(NamedTuple):
    """What is cached.

    Attributes:
      name: of the data set.
      split: "train" or "test".
      form: what was made of it, e.g. "32-pad".
      data_dir: where the set lies, or lay.
    """

    name: str
    split: str
    form: str
    data_dir: str

    def prefix(self) -> str:
        """What the names of all directories with this content begin with."""
        place = pathlib.Path(self.data_dir).expanduser().absolute()
        key = hashlib.sha256(f"{self.name}|{place}".encode()).hexdigest()[:8]
        readable = re.sub(r"[^A-Za-z0-9_]+", "-", self.name)[-40:]
        return (
            f"v{array_cache.FORMAT_VERSION}-{readable}-{self.split}-{self.form}-{key}-"
        )

    def directory(self, cache_dir: str, fingerprint: str) -> pathlib.Path:
        """The directory of this content made of a source with that fingerprint."""
        ending = hashlib.sha256(fingerprint.encode()).hexdigest()[:12]
        return array_cache.directory(cache_dir) / f"{self.prefix()}{ending}"

    def newest(self, cache_dir: str) -> pathlib.Path | None:
        """The directory made last of this content, whatever source it had then."""
        found = [
            (path.stat().st_mtime_ns, path)
            for path in array_cache.directory(cache_dir).glob(f"{self.prefix()}*")
        ]
        return max(found)[1] if found else None
