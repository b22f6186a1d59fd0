"""Scoring libraries of any size: read, featurize, predict, write, chunk by chunk, in constant memory.

`score_library` is the door. What crosses which stage: `LibraryChunk` -> `Rows` (features) -> `Part` (rows as
they are written, and their tally) -> the output. Borders of chunks depend on row numbers only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molmeta.scoring.cascade import first_pass as first_pass
    from molmeta.scoring.cascade import score_cascade as score_cascade
    from molmeta.scoring.engines import Engine as Engine
    from molmeta.scoring.engines import Local as Local
    from molmeta.scoring.engines import cores as cores
    from molmeta.scoring.frames import score_frames as score_frames
    from molmeta.scoring.joining import merge as merge
    from molmeta.scoring.report import ScoreReport as ScoreReport
    from molmeta.scoring.run import score_library as score_library
    from molmeta.scoring.shard import WHOLE as WHOLE
    from molmeta.scoring.shard import Shard as Shard

# Loaded when first used: worker processes, which read structures, need the least of it.
_HOMES = {
    "WHOLE": "shard",
    "Engine": "engines",
    "Local": "engines",
    "ScoreReport": "report",
    "Shard": "shard",
    "cores": "engines",
    "first_pass": "cascade",
    "merge": "joining",
    "score_cascade": "cascade",
    "score_frames": "frames",
    "score_library": "run",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'molmeta.scoring' has no attribute '{name}'")
    value = getattr(import_module(f"molmeta.scoring.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
