"""Rows to stdout while they are scored."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from molmeta.scoring.formats import Format
from molmeta.scoring.parts import End, Part
from molmeta.scoring.ranking import Ranked
from molmeta.scoring.tally import Tally


def write_to_stdout(parts: Iterable[Part | End], layout: Format | Ranked) -> Tally:
    """Writes parts, which come in the order of the library."""
    total = Tally()

    def data() -> Iterable[bytes]:
        nonlocal total
        for one in parts:
            if isinstance(one, Part):
                total = Tally.total([total, one.tally])
                yield one.data

    layout.join(data(), sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return total
