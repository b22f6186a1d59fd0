"""`merge`: the parts of an output become one file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from molmeta.errors import RefusedError
from molmeta.scoring.finished import forget, remember
from molmeta.scoring.manifest import Manifest
from molmeta.scoring.parts import Parts, check_name
from molmeta.scoring.report import ScoreReport
from molmeta.scoring.shard import WHOLE
from molmeta.scoring.tally import Tally
from molmeta.wording import counted


def merge(sink: str | Path, *, force: bool = False, incomplete: bool = False) -> ScoreReport:
    """Joins the parts that runs, or shards of one, left beside an output.

    Parameters
    ----------
    sink : path
        The output of the runs; OUT.parts holds the parts, and goes when they are joined.
    force : bool
        Replace a file that is there.
    incomplete : bool
        Also where chunks are missing: their rows are left out, and the parts stay.

    Raises
    ------
    RefusedError
        There are no parts, some are missing, or the output exists or is a folder.
    """
    started = time.perf_counter()
    check_name(Path(sink))
    parts = Parts(Path(sink))
    if not parts:
        raise RefusedError(f"{parts.folder} holds no parts of {sink}; molmeta score ... -o {sink} makes them")
    check_absent(parts.out, force)
    lack = lacking(parts)
    if lack and not incomplete:
        raise RefusedError(f"{parts.folder}: {lack}, or join what is there: --incomplete")
    return join(parts, started, force=force)


def check_absent(out: Path, force: bool) -> None:
    """Raises RefusedError where an output is there that is not to be replaced."""
    if os.path.exists(out) and not force:
        raise RefusedError(f"{out} exists; give another name, or --force to replace it")


def join(
    parts: Parts, started: float, *, force: bool, first: Tally | None = None, resumable: bool = False
) -> ScoreReport:
    """Writes the output of what is there, and drops the parts where none is missing.

    Parameters
    ----------
    parts : Parts
    started : float
        When the work began, by `time.perf_counter`.
    force : bool
        Replace a file that is there, also one that came while the parts were made.
    first : Tally or None
        Of the first pass of a cascade.
    resumable : bool
        Whether a run of the same is to find that nothing is left to do.
    """
    check_absent(parts.out, force)
    manifest = Manifest.from_json(parts.manifest)
    with parts.locked(WHOLE):
        forget(parts.out)
        tally = parts.join(manifest.layout(parts.out.name))
        notes = parts.end.notes if parts.end else ["the library was not read to its end"]
        seconds = time.perf_counter() - started
        report = ScoreReport.of(tally, notes, seconds, str(parts.out), first, excel_safe=manifest.excel_safe)
        if not lacking(parts):
            if resumable:
                remember(parts.out, parts.manifest, report)
            parts.forget()
    return report


def lacking(parts: Parts) -> str:
    """Which chunks are missing, or what shards they are of, and what to do; "" where all are there."""
    missing, shards = parts.missing(), Manifest.from_json(parts.manifest).shards
    if missing == []:
        return ""
    if shards == 1:
        what = "the end of the library was not reached"
        if missing is not None:
            is_missing = "is missing" if len(missing) == 1 else "are missing"
            what = f"{counted(len(missing), 'chunk')} {is_missing}"
        return f"{what}; score with --resume"
    if missing is None:
        begun = {index % shards + 1 for index in parts.done()}
        nothing = sorted({*range(1, shards + 1)} - begun)
        none = f"; nothing was done of --shard {ranges(nothing)}" if nothing else ""
        return f"none of the {shards} shards is complete{none}; score them again"
    left = sorted({index % shards + 1 for index in missing})
    one = len(left) == 1
    return (
        f"{'shard' if one else 'shards'} {ranges(left)} of {shards} {'lacks' if one else 'lack'} "
        f"{counted(len(missing), 'chunk')}; score {'it' if one else 'them'} again"
    )


def ranges(numbers: Sequence[int]) -> str:
    """Numbers, in order, as schedulers write them.

    >>> ranges([1, 3, 4, 5, 9])
    '1,3-5,9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)
