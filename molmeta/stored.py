"""Files of models as they come from others: what they are is looked at before they are read."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molmeta.errors import CheckpointError

MOST_JSON = 2**20  # bytes of a JSON file beside weights; honest ones have a few kB
_SHOWN = 60  # characters of foreign text in a message
_HEAD = 512

# First bytes -> what a file is. A pickle of any protocol runs code when it is loaded.
_KINDS = (
    (b"PK\x03\x04", "a zip archive, as torch.save and .npz write them, with pickles that can run code"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"GGUF", "a GGUF file"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 8))


def size_of(path: Path, *, links: bool = True) -> int:
    """Bytes of a file.

    Raises
    ------
    CheckpointError
        It is missing, no plain file (a FIFO would be waited for, a device read for ever), or, unless
        `links` are let through, a link.
    """
    try:
        if not links and path.is_symlink():
            raise CheckpointError(
                f"{path} is a link; a model folder from elsewhere may lead anywhere, so copy the file itself"
            )
        found = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the name
        raise CheckpointError(f"{shown(str(path))} is no name of a file: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is {_sort(found.st_mode)}; wanted a file")
    return found.st_size


def read_json(path: Path, *, links: bool = True, most: int = MOST_JSON) -> Any:
    """The JSON of a file; raises CheckpointError as `size_of` and `parse_json` do, and above `most` bytes."""
    size = size_of(path, links=links)
    if size > most:
        raise CheckpointError(f"{path} has {size:,} bytes; a file like this has at most {most:,}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_json(data, str(path))


def parse_json(data: bytes, name: str) -> Any:
    """JSON that says one thing: no key twice in an object, and no number that is none.

    Raises
    ------
    CheckpointError
        It is no such JSON, or is nested too deeply.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise CheckpointError(f"{name} holds JSON that is nested too deeply") from error
    except ValueError as error:
        raise CheckpointError(f"{name} holds no usable JSON: {shown(str(error))}") from error


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes, for messages; "" where they say nothing.

    >>> kind_of(b"PK\\x03\\x04").split(",")[0]
    'a zip archive'
    """
    if head.startswith(_PICKLES):
        return "a pickle, which can run code"
    known = [what for magic, what in _KINDS if head.startswith(magic)]
    if known:
        return known[0]
    return "text" if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:_HEAD]) else ""


def kind_of_file(path: Path) -> str:
    """As `kind_of`, of a file that is known to be a plain one."""
    try:
        with path.open("rb") as stream:
            return kind_of(stream.read(_HEAD))
    except OSError:
        return ""


def shown(value: object, most: int = _SHOWN) -> str:
    """Foreign text as a message shows it: printable, and cut.

    >>> shown("a\\nb")
    'a\\\\nb'
    """
    text = str(value)[: most + 1].encode("unicode_escape").decode("ascii")
    return text if len(text) <= most else text[:most] + "..."


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key '{shown(twice)}' is there twice")
    return found


def _finite(text: str) -> float:
    number = float(text.replace("Infinity", "inf"))
    if not math.isfinite(number):
        raise ValueError(f"found the number {shown(text)}, wanted a finite one")
    return number


def _sort(mode: int) -> str:
    sorts = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((what for holds, what in sorts if holds(mode)), "a device")
