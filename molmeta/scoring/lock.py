"""One process at a time at an output, and who that is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from molmeta.errors import RefusedError
from molmeta.files import writing

HOLDER = ".held"


@contextmanager
def held(lock: Path, what: str) -> Iterator[None]:
    """Holds the lock of the operating system on a file; it goes with the process, however that ends.

    The name of the process is in a file beside it, as a lock that is tried for may be emptied.

    Parameters
    ----------
    lock : path
        Of a folder that is there.
    what : str
        What must not be written by two, for the message.

    Raises
    ------
    RefusedError
        Somebody else holds it.
    """
    own, holder = FileLock(lock), lock.with_name(lock.name + HOLDER)
    with writing(lock):
        try:
            own.acquire(timeout=0)
        except Timeout:  # which is an OSError too
            raise RefusedError(
                f"another run writes {what} right now{_by(holder)}; wait for it, or give another output"
            ) from None
    try:
        with writing(holder):
            holder.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        own.release()


def _by(holder: Path) -> str:
    """Who holds a lock, as far as that is known: it may just have taken it."""
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {found['process']} on {found['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
