"""Structures that kill or hang the process that reads them, as RDKit can; worker processes import this."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import molmeta.scoring.scorer
from molmeta.chem.rows import Rows
from molmeta.scoring.featurize import Featurize, Job
from molmeta.scoring.workers import Faults, Watch

KILLS, HANGS = "CCCCCCI", "CCCCCCBr"


class Losing(Featurize):
    """Reads as ever, but dies at one structure and hangs at another, with the interpreter locked."""

    def rows(self, job: Job, faults: Faults, watch: Watch) -> Rows:
        def at(start: int, stop: int) -> None:
            watch(start, stop)
            if stop == start + 1 and job.smiles[start] == KILLS:
                os.kill(os.getpid(), signal.SIGKILL)
            if stop == start + 1 and job.smiles[start] == HANGS:
                ctypes.PyDLL(None).sleep(1_000_000)

        return super().rows(job, faults, at)


@contextmanager
def losing() -> Iterator[None]:
    """Libraries are read by `Losing`."""
    before = molmeta.scoring.scorer.Featurize
    molmeta.scoring.scorer.Featurize = Losing
    try:
        yield
    finally:
        molmeta.scoring.scorer.Featurize = before
