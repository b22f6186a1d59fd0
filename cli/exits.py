"""Exit codes: what ended a command, in one line on stderr and a number."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import typer

from molmeta.errors import InputError, MolmetaError, ResourceError

from . import render

_FULL = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EIO")
    if hasattr(errno, name)
}
_NO_MEMORY = ("can't allocate memory", "not enough memory", "can't start new thread", "failed to map segment")


@contextmanager
def exit_codes() -> Iterator[None]:
    """A `MolmetaError` is one line and its exit code, a closed pipe is silence; the rest is a bug (1)."""
    try:
        yield
    except BrokenPipeError:
        leave(0)
    except SystemExit as error:
        # rich, which prints the help, ends with 1 where the reader has gone.
        if isinstance(error.__context__, BrokenPipeError):
            leave(0)
        raise
    except Exception as error:
        told = error if isinstance(error, MolmetaError) else exhausted(error)
        if told is None:
            raise
        render.error("; ".join([str(told), *getattr(told, "__notes__", [])]))
        leave(told.exit_code)


def check_folder() -> None:
    """Raises InputError where the current folder is gone, on which torch ends the process by itself."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(f"the current folder is gone ({error.strerror}); change to another one") from None


def leave(code: int) -> NoReturn:
    """Ends the command; what stdout cannot take is not tried again when the interpreter closes it."""
    with suppress(OSError, ValueError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(code) from None


def exhausted(error: Exception) -> ResourceError | None:
    """What a library says that has not the room, the memory or the device that it needs; else None."""
    said = str(error).partition("\n")[0]
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f"{error.filename} cannot be written" if error.filename else "the output cannot be written"
        return ResourceError(f"{where} ({error.strerror}); make room and give the command again")
    if isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY):
        return ResourceError(f"the memory is full ({said or 'no more'}); free some, or use fewer --workers")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return ResourceError(f"the device has no memory left ({said}); free some, or give --device cpu")
    if torch is not None and isinstance(error, torch.AcceleratorError):
        return ResourceError(f"the device failed ({said}); give --device cpu, or try again when it works")
    return None
