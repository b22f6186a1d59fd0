"""What a library is, in a few numbers, so that a run that goes on can tell whether it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from molmeta.data.raw import Tables
from molmeta.errors import RefusedError

WHOLE = 1 << 26  # bytes of a file up to which all of it is hashed
END = 1 << 20  # bytes of the start, and of the end, that are hashed of a larger one


def identify(sources: Sequence[Tables]) -> list[dict[str, Any]]:
    """For each source, plain JSON that differs where the library does.

    Of a file, its name, and what `fingerprint` says of it. Of a stream, which cannot be told from another,
    nothing.
    """
    return [_identify(source) for source in sources]


def fingerprint(path: Path) -> dict[str, Any]:
    """The size of a file, and a hash of its bytes: of all, or of both ends of a file above 64 MiB.

    A library of a billion rows must not be read twice. Where something changes in its middle, its size mostly
    does; and a .gz ends with a sum of all that is in it. The time of change says nothing: it is another
    one after a copy.
    """
    size = path.stat().st_size
    found = hashlib.sha256()
    with path.open("rb") as stream:
        if size <= WHOLE:
            found.update(stream.read())
        else:
            found.update(stream.read(END))
            stream.seek(size - END)
            found.update(stream.read(END))
    return {"bytes": size, "sha256": found.hexdigest()}


@dataclass(frozen=True)
class Seen:
    """What a file was when it was opened, so that it can be told whether it is still that.

    Attributes
    ----------
    path : Path
    stamp : tuple of int
        Number, size and time of change: where these are the same, so is the file.
    fingerprint : dict
    """

    path: Path
    stamp: tuple[int, ...]
    fingerprint: dict[str, Any]

    @classmethod
    def of(cls, path: Path) -> Seen:
        """Of a file as it is now."""
        return cls(path, _stamp(path), fingerprint(path))

    def check(self) -> None:
        """Raises RefusedError where it is another one now, so that what was read may be of both."""
        try:
            if _stamp(self.path) == self.stamp or fingerprint(self.path) == self.fingerprint:
                return
        except OSError:  # it is gone: what was read is of one file
            return
        raise RefusedError(
            f"{self.path} was changed while it was read, so that the result would be of both; do it again, "
            "with --force where something was begun"
        )


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _identify(source: Tables) -> dict[str, Any]:
    if isinstance(source, pd.DataFrame):
        rows = pd.util.hash_pandas_object(source.astype(str), index=False).to_numpy()
        return {
            "name": "DataFrame",
            "rows": len(source),
            "sha256": hashlib.sha256(rows.tobytes()).hexdigest(),
        }
    if not isinstance(source, str | Path) or source == "-":
        return {"name": "a stream"}
    path = Path(source)
    return {"name": path.name, **fingerprint(path)}
