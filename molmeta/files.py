"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def beside(path: Path) -> Path:
    """A name in the same folder that nobody else has: processes of two containers may share a number."""
    return path.with_name(f"{path.name}.{uuid4().hex[:16]}.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream to a file beside `path` that takes its place when all is written.

    A kill or a power failure leaves the old file or the new one. Who may read a file that is replaced may
    read the new one, and nobody else.
    """
    temporary = beside(path)
    try:
        with temporary.open("xb") as stream:
            if path.exists():
                shutil.copymode(path, temporary)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as stream:
        stream.write(data)
