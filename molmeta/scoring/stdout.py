"""Rows to stdout while they are scored."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from molmeta.scoring.formats import Format
from molmeta.scoring.parts import End, Part
from molmeta.scoring.ranking import Ranked
from molmeta.scoring.tally import Tally


def write_to_stdout(parts: Iterable[Part | End], layout: Format | Ranked) -> Tally:
    """Writes parts in the order of the library; one that comes early waits for its turn."""
    total = Tally()

    def data() -> Iterable[bytes]:
        nonlocal total
        early: dict[int, bytes] = {}
        turn = 0
        for one in parts:
            if isinstance(one, Part):
                total = Tally.total([total, one.tally])
                early[one.index] = one.data
                while turn in early:
                    yield early.pop(turn)
                    turn += 1

    layout.join(data(), sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return total
