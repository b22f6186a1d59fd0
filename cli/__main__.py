"""The process of `molmeta`, and of `python -m molmeta.cli` where that script is not on the path."""

from __future__ import annotations

import io
import os
import sys

from . import stopping


def main() -> None:
    """Runs the command line of this process."""
    stopping.unheard()  # before the imports that take time
    open_streams()
    from .app import app

    stopping.within_seconds()
    app(prog_name="molmeta")


def open_streams() -> None:
    """Stands in for stdin, stdout and stderr where a daemon closed them, and for letters that they lack.

    A file that is opened while one of them is closed gets its number, and what a library of C prints.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
