"""What multiprocessing's fork server imports for `Workers`, before all else.

It has the server end with its parent. By itself it looks for that only when all is imported, which takes
seconds, and then tears down torch, which takes seconds too, of a processor and after the prompt is back. It
has nothing to put away. What it forks ends in other ways (`molmeta.scoring.serving`) and has no timer.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from multiprocessing import forkserver

_EVERY = 0.5  # seconds


def _end_with(parent: int) -> None:
    """Ends this process, and nothing in it, when its parent is another one."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    atexit.register(os._exit, 0)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _EVERY, _EVERY)


# Whoever else imports this is no fork server: those run this function as their script.
if getattr(sys.modules["__main__"], "main", None) is forkserver.main:
    _end_with(os.getppid())
