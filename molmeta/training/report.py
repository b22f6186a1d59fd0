"""What a run says while it goes on, and in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from molmeta.errors import MolmetaError
from molmeta.training.forgetting import Comparison
from molmeta.training.validation import Score

_HUGE = 1e4  # parameters that train well stay below a hundred


@dataclass(frozen=True)
class Progress:
    """Where a run is: shown by the command line, written as a line of `train.jsonl`.

    loss : moving averages over about a hundred steps.
    rate : learning rate of the step, of the head in stage B.
    """

    stage: str
    step: int
    steps: int
    loss: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    rate: float = 0.0


def read_log(path: Path) -> list[Progress]:
    """The lines of a `train.jsonl`; of earlier versions, too."""
    if not path.exists():
        return []
    return [Progress(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Added:
    """A new assay of a continued training.

    Attributes
    ----------
    assay : str
    rows : int
        In its file.
    compounds : int
        That were learned.
    active : int
        Measurements of the active class.
    values : bool
        Whether potencies were learned, beside classes.
    known : int
        Compounds that the model knew before.
    """

    assay: str
    rows: int
    compounds: int
    active: int
    values: bool
    known: int


@dataclass(frozen=True)
class TrainReport:
    """Result of a run: the checkpoint folder and the validation scores of each head.

    added : of a continued training, the new assays.
    comparison : of a continued training, the model before and after, on the validation assays that there are.
    """

    folder: Path
    validation: dict[str, Score]
    seconds: float
    added: tuple[Added, ...] = ()
    comparison: tuple[Comparison, ...] = ()


class Diverged(MolmetaError):
    """A loss that is not finite, or parameters that have grown beyond all use."""

    exit_code = 6


class NonFinite(ArithmeticError):
    """A loss that is infinite or no number, and the assay whose it is."""

    def __init__(self, assay: str) -> None:
        super().__init__(assay)
        self.assay = assay


@contextmanager
def divergence(model: nn.Module, stage: str, step: int, good: str) -> Iterator[None]:
    """Losses inside that are not finite are divergence; so is other arithmetic that fails where the
    parameters are huge, and else it is the bug that it is.

    good : where the last good state is.
    """
    try:
        yield
    except NonFinite as error:
        raise Diverged(
            f"the loss of stage '{stage}' is not finite at step {step}, for the assay '{error.assay}'; "
            f"{good}: lower the rate and start again"
        ) from error
    except (ArithmeticError, LinAlgError) as error:
        largest = [float(parameter.detach().abs().max()) for parameter in model.parameters()]
        if all(size < _HUGE for size in largest):  # false for nan, too
            raise
        raise Diverged(
            f"parameters of stage '{stage}' have grown to {max(largest):.1g} by step {step}; lower the rate "
            f"and start again ({good})"
        ) from error
