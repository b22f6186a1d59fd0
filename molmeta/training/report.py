"""What a run says while it goes on, and in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from molmeta.errors import MolmetaError
from molmeta.training.validation import Score


@dataclass(frozen=True)
class Progress:
    """Where a run is: shown by the command line, written as a line of `train.jsonl`."""

    stage: str
    step: int
    steps: int
    loss: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainReport:
    """Result of a run: the checkpoint folder and the validation scores of each head."""

    folder: Path
    validation: dict[str, Score]
    seconds: float


class Diverged(MolmetaError):
    """A loss that is not finite."""

    exit_code = 6
