"""Scoring libraries of any size: read, featurize, predict, write, chunk by chunk, in constant memory.

`score_library` is the door. What crosses which stage: `LibraryChunk` -> `Rows` (features) -> `Part` (rows as
they are written, and their tally) -> the output. Borders of chunks depend on row numbers only.
"""

from molmeta.scoring.cascade import first_pass, score_cascade
from molmeta.scoring.engines import Engine, Local, cores
from molmeta.scoring.frames import score_frames
from molmeta.scoring.report import ScoreReport
from molmeta.scoring.run import merge, score_library
from molmeta.scoring.shard import WHOLE, Shard

__all__ = [
    "WHOLE",
    "Engine",
    "Local",
    "ScoreReport",
    "Shard",
    "cores",
    "first_pass",
    "merge",
    "score_cascade",
    "score_frames",
    "score_library",
]
