"""Threads of torch: where the last digit must not depend on them, and in processes that were forked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_WORTH_THREADS = 512  # rows

if hasattr(os, "register_at_fork"):
    # OpenMP waits for ever for its threads in a process that is forked, where they are not.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def suited(n: int) -> AbstractContextManager[None]:
    """As many threads as are good for matrices of n rows.

    Of small ones, threads cost more than they bring: they wait for each other, on a machine that does other
    work for most of the time.
    """
    return one_thread() if n < _WORTH_THREADS else nullcontext()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread within each operation: sums have the same order, and so the same last digit, everywhere.

    It holds for all threads of the process.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
