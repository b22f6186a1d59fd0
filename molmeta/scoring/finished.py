"""The file OUT.done: of which run a complete output is, for runs that are started again and again.

A scheduler starts a job anew that it has interrupted, whether or not it had come to its end. So a run with
`resume` leaves this beside its output: the next one of the same finds it, and has nothing to do. Other runs
leave no such file; nobody would look at it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from molmeta.data.identity import fingerprint
from molmeta.errors import MolmetaError, RefusedError
from molmeta.files import write_whole
from molmeta.scoring.changes import changes
from molmeta.scoring.report import ScoreReport

SUFFIX = ".done"
_ADVICE = "give another name, or --force to replace it"


def remember(out: Path, manifest: Mapping[str, Any], report: ScoreReport) -> None:
    """Notes of which run an output is, once it is complete."""
    found = {"run": dict(manifest), "output": fingerprint(out), "report": asdict(report)}
    # The output is complete without it, even where the disk has no room for it.
    with suppress(MolmetaError):
        write_whole(_note(out), json.dumps(found, indent=1).encode())


def forget(out: Path) -> None:
    """Before the output becomes another one."""
    _note(out).unlink(missing_ok=True)


def recall(out: Path, wanted: Mapping[str, Any], started: float) -> ScoreReport:
    """What became of a library whose output is there, and complete.

    Parameters
    ----------
    out : path
        A file that is there.
    wanted : mapping
        The manifest of the run that would write it; what it does not name may be anything.
    started : float
        When the work began, by `time.perf_counter`.

    Raises
    ------
    RefusedError
        It is of another run, it is not what that run wrote, or nothing tells of which run it is.
    """
    note = _note(out)
    if not note.exists():
        raise RefusedError(
            f"{out} exists, and no {note.name}, which a run with --resume leaves, says of which run it is; "
            + _ADVICE
        )
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        before, output = dict(found["run"]), found["output"]
        report = ScoreReport.from_json(found["report"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{note} cannot be read ({error}); {_ADVICE}") from error
    wanted = json.loads(json.dumps(wanted))
    changed = changes({name: value for name, value in before.items() if name in wanted}, wanted)
    if changed:
        raise RefusedError(f"{out} is complete, and of another run: {changed}; {_ADVICE}")
    if fingerprint(out) != output:
        raise RefusedError(f"{out} was changed since its run was complete; {_ADVICE}")
    return replace(report, complete=True, path=str(out), seconds=time.perf_counter() - started)


def _note(out: Path) -> Path:
    return out.with_name(out.name + SUFFIX)
