"""`score_library`: the parts of an output that are missing are made, and joined."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from molmeta.data.library import read_library
from molmeta.data.sources import Sources, is_path, is_stream, sources_of
from molmeta.errors import ConfigError, InputError, RefusedError
from molmeta.files import refuse_inputs
from molmeta.predictor import CHUNK, Predictor
from molmeta.scoring.cache import Cache
from molmeta.scoring.engines import Engine, Local
from molmeta.scoring.finished import recall
from molmeta.scoring.formats import format_of
from molmeta.scoring.joining import check_absent, join
from molmeta.scoring.manifest import Manifest
from molmeta.scoring.models import Models
from molmeta.scoring.parts import Parts, check_name
from molmeta.scoring.production import Run, Show
from molmeta.scoring.report import ScoreReport
from molmeta.scoring.scorer import Scorer
from molmeta.scoring.shard import WHOLE, Shard
from molmeta.scoring.stdout import write_to_stdout


def score_library(
    predictor: Predictor | Sequence[Predictor],
    source: Sources,
    sink: str | Path,
    *,
    engine: Engine | None = None,
    resume: bool = False,
    force: bool = False,
    shard: Shard = WHOLE,
    columns: Collection[str] | None = None,
    top: int | None = None,
    cache: str | Path | None = None,
    precision: torch.dtype = torch.float32,
    excel_safe: bool = False,
    smiles_column: str | None = None,
    chunk: int = CHUNK,
    trusted: bool = False,
    progress: Show | None = None,
) -> ScoreReport:
    """Scores every row of a library.

    Beside the output stands the folder OUT.parts until it is complete. A run that was killed leaves it
    behind, and the same call with `resume` goes on; the bytes of the output are those of a run that was not
    killed, whatever the engine.

    Parameters
    ----------
    predictor : Predictor, or several
        With several, all columns but mm_status and mm_smiles are prefixed by the name of the assay, and
        features are computed once.
    source : path, glob pattern, several of these, DataFrame, or "-" (stdin)
        See `molmeta.data.library.read_library`.
    sink : path or "-" (stdout, as CSV)
        .csv .tsv .jsonl .sdf, each also .gz, or .parquet; it appears when it is complete.
    engine : Engine or None
        Where it is computed (`molmeta.scoring.engines`); None is this process.
    resume : bool
        Go on with what an earlier run left, if it left something. The output gets a file OUT.done beside it,
        by which the next run with `resume` finds that there is nothing left to do.
    force : bool
        Replace a file that is there, and start anew; with `resume`, go on and then replace it.
    shard : Shard
        Do only the chunks of this shard, beside others that do theirs; `merge` joins them.
    columns : collection of str or None
        Which of molmeta's columns to write; None is all.
    top : int or None
        Write only the best rows by the (first model's) score, best first, equal ones in input order.
    cache : path or None
        Folder where what the network makes of the library is kept, for the model of the next assay.
    precision : torch.dtype
        torch.bfloat16 is faster on GPUs; scores then differ in the second or third digit.
    excel_safe : bool
        Put a quote in front of cells that a spreadsheet would run as a formula; of .csv and .tsv only.
    smiles_column : str or None
        Found by content if None.
    chunk : int
        Rows at a time.
    trusted : bool
        Whether gzip may unpack to a huge file.
    progress : callable or None
        Called with the `Progress` after each chunk.

    Raises
    ------
    RefusedError
        The output exists, or is the input; a run was begun before, and `resume` is not given, or it was
        another one, or the output is that of another one; somebody else writes the same output.
    ConfigError, InputError
        No such format; a library that cannot be read. Where it breaks off, the parts before that stay.
    ResourceError
        The disk is full.
    """
    started = time.perf_counter()
    models = Models([predictor] if isinstance(predictor, Predictor) else list(predictor), columns, precision)
    if top is not None and top < 1:
        raise ConfigError(f"top={top} is not a number of rows; wanted 1 or more")
    format_of(str(sink), excel_safe=excel_safe)
    if str(sink) != "-":
        check_sink(source, Path(sink), force or resume)
    if (resume or shard != WHOLE) and (is_stream(source) or str(sink) == "-"):
        raise ConfigError("a stream cannot be resumed or sharded: give the library and the output as files")
    library = read_library(source, smiles_column=smiles_column, chunk=chunk, trusted=trusted)
    check_columns(library.header)
    manifest = Manifest.of(library, models, top, shard.count, excel_safe=excel_safe)
    layout = manifest.layout(str(sink))
    kept = None if cache is None else Cache(cache, models)
    run = Run(library, Scorer(models, layout, kept), engine or Local(), progress)
    if str(sink) == "-":
        tally = write_to_stdout(run.parts(), layout)
        seconds = time.perf_counter() - started
        return ScoreReport.of(tally, library.notes, seconds, "-", excel_safe=excel_safe)
    parts, identified = Parts(Path(sink)), manifest.identified(library)
    if resume and not force and parts.out.exists():
        return recall(parts.out, identified, started)
    run.make(parts, identified, shard, resume=resume, force=force)
    if shard == WHOLE:
        return join(parts, started, force=force, resumable=resume)
    return ScoreReport.of(run.tally, library.notes, time.perf_counter() - started, str(parts.folder))


def check_sink(source: Sources, sink: Path, force: bool) -> None:
    """Raises RefusedError where an output is the library, is there, or cannot be; before any work is done."""
    refuse_inputs(sink, filter(is_path, sources_of(source)))
    check_absent(sink, force)
    if not os.path.isdir(sink.parent):
        raise RefusedError(f"{sink.parent} is not a folder; create it first, or give another path")
    check_name(sink)


def check_columns(header: Sequence[str]) -> None:
    own = [name for name in header if name.startswith("mm_") or "_mm_" in name]
    if own:
        raise InputError(
            f"the library has the columns {', '.join(own[:3])}, which scoring adds; drop "
            "them, or score it with all models in one run"
        )
