"""Signals: a command that is told to end unwinds, and ends within seconds in any case.

Ctrl-C, SIGTERM and SIGHUP raise an exception where the command is, so that files are closed and processes
ended. That takes as long as the step that it is at: a matrix that is factored, a thread that must finish.
So a thread of the command waits for the signal too (Python's handlers run only between two steps of the main
thread), and ends the process when its time is up, or soon after a second signal.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PATIENCE = 4.0  # seconds that unwinding may take
_AT_ONCE = 0.4  # ... after a second signal

_last_words: list[Callable[[], None]] = []


def unheard() -> None:
    """Lets Ctrl-C end the process without a traceback, while there is nothing to unwind: at its start.

    A shell that starts a command in the background, or nohup, may have it ignore signals; that stays.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def within_seconds() -> None:
    """From now on, this process ends within seconds of an ending signal, if it does not by itself."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    if hasattr(os, "register_at_fork"):
        # A signal to a child that was forked is none to this process.
        os.register_at_fork(after_in_child=lambda: suppressed(signal.set_wakeup_fd, -1))
    with suppress(RuntimeError):  # no thread can be started
        threading.Thread(target=_watch, args=(read,), name="signals", daemon=True).start()


def suppressed(call: Callable[[int], object], value: int) -> None:
    with suppress(ValueError):
        call(value)


@contextmanager
def unwinding() -> Iterator[None]:
    """Has the first ending signal raise KeyboardInterrupt, or SystemExit with 128 + its number; no other.

    Signals that are ignored stay so (nohup).
    """
    came = False
    unraisable = sys.unraisablehook

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:  # what is under way is not to be broken off as well
            return
        came = True
        sys.unraisablehook = lambda _: None  # whoever swallows the exception says so, which helps nobody
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in ENDING}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        before = {}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def last_words(tell: Callable[[], None]) -> Iterator[None]:
    """Has something told, once, where a signal ends what is done meanwhile."""
    _last_words.append(tell)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        _speak()
        raise
    finally:
        with suppress(ValueError):
            _last_words.remove(tell)


def _speak() -> None:
    while _last_words:
        tell = _last_words.pop()
        with suppress(OSError, ValueError):  # a terminal that is gone
            tell()


def _watch(read: int) -> NoReturn:
    """Waits for an ending signal, and ends the process some seconds after it."""
    number = _next(read, None)
    assert number is not None
    again = _next(read, _PATIENCE)
    if again is not None:
        _next(read, _AT_ONCE)
    _speak()
    os._exit(128 + number)


def _next(read: int, timeout: float | None) -> int | None:
    """The number of the next ending signal; None where none comes in time, in seconds."""
    while select.select([read], [], [], timeout)[0]:
        (number,) = os.read(read, 1)
        if number in ENDING:
            return number
    return None
