"""Files that appear whole or not at all, and what stops them."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from molmeta.errors import MolmetaError, RefusedError, ResourceError

# What a name may have in the file systems of today, in bytes.
LONGEST_NAME = 255
_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "ENOMEM", "EMFILE")}


def beside(path: Path) -> Path:
    """A name in the same folder that nobody else has: processes of two containers may share a number."""
    own = f".{uuid4().hex[:16]}.tmp"
    stem = os.fsencode(path.name)[: LONGEST_NAME - len(own)].decode(errors="ignore")
    return path.with_name(stem + own)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream to a file beside `path` that takes its place when all is written.

    A kill or a power failure leaves the old file or the new one. Who may read a file that is replaced may
    read the new one, and nobody else. Where `path` is a link, what it leads to is replaced.

    Raises
    ------
    ResourceError, RefusedError
        See `writing`.
    """
    with writing(path):
        target = Path(os.path.realpath(path))
        temporary = beside(target)
        try:
            with temporary.open("xb") as stream:
                if target.exists():
                    shutil.copymode(target, temporary)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as stream:
        stream.write(data)


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Says in a sentence why a file or folder cannot be written.

    Raises
    ------
    ResourceError
        The disk is full, or fails.
    RefusedError
        It may not be written: a folder that is read-only, a name that is too long, ...
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        full = error.errno in _FULL
        kind: type[MolmetaError] = ResourceError if full else RefusedError
        mend = "make room" if full else "give another path"
        raise kind(f"{path} cannot be written ({why}); {advice or mend}") from error


def refuse_inputs(out: Path, inputs: Iterable[str | Path]) -> None:
    """Raises RefusedError where an output is one of the files that are read, whatever either is called."""
    # os.path says no where pathlib raises, such as for names that are too long.
    if os.path.exists(out) and any(os.path.exists(one) and os.path.samefile(out, one) for one in inputs):
        raise RefusedError(f"{out} is what is read; give another name for the output")
