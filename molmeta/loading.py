"""`load`: the model of a `.molmeta` file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from molmeta.adaptreport import AdaptReport
from molmeta.bundle import Origin, rounded
from molmeta.calibration import Conformal, Platt
from molmeta.chem.funnel import Refusal, examine
from molmeta.data.support import Support
from molmeta.domain import Domain
from molmeta.ensemble import Ensemble, pick_device
from molmeta.errors import CheckpointError, InputError
from molmeta.predictor import Predictor
from molmeta.private import read_hidden
from molmeta.recipe import Recipe
from molmeta.stored import shown
from molmeta.unbundle import read_bundle

# `adapt` draws a quarter of that from larger assays; another version may draw more.
_MOST_COMPOUNDS = 4096
_ABOUT = 1e-6


def load(path: str | Path, *, device: str = "auto") -> Predictor:
    """The model of a `.molmeta` file.

    Raises
    ------
    CheckpointError
        Missing, damaged, of a newer format, or a reference to a checkpoint that is not the same.
    """
    stored = read_bundle(Path(path))
    state = stored.state
    try:
        support = _sound(TypeAdapter(Support).validate_python(state["support"]), path, "hidden" in state)
        kind = Platt if support.target.kind == "classification" else Conformal
        weights = TypeAdapter(dict[str, float]).validate_python(state["weights"])
        learner = rounded(stored.learner).to(pick_device(device))
        ensemble = Ensemble(learner, _known(weights, list(learner.heads)))
        hidden = None
        if "hidden" in state or stored.compounds:
            hidden = read_hidden(stored.compounds, state.get("hidden"), support, ensemble, path)
        return Predictor(
            ensemble=ensemble,
            support=support,
            calibration=TypeAdapter[Any](kind).validate_python(state["calibration"]),
            domain=TypeAdapter(Domain).validate_python(state["domain"]),
            report=TypeAdapter(AdaptReport).validate_python(state["report"]),
            origin=TypeAdapter(Origin | None).validate_python(state["source"]),
            recipe=TypeAdapter(Recipe | None).validate_python(state.get("recipe")),
            hidden=hidden,
        )
    except (KeyError, InputError, ValidationError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path} is not a complete molmeta model ({shown(_said(error))}); adapt again"
        ) from error


def _said(error: Exception) -> str:
    """An error in one line; of pydantic's, the place and the first of what is wrong."""
    if not isinstance(error, ValidationError):
        return f"no {error}" if isinstance(error, KeyError) else str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{error.title}.{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _known(weights: dict[str, float], heads: Collection[str]) -> dict[str, float]:
    if not weights or not set(weights) <= set(heads):
        raise CheckpointError(
            f"the model averages the heads {shown(sorted(weights))}, but holds {shown(sorted(heads))}"
        )
    if min(weights.values()) <= 0 or abs(sum(weights.values()) - 1) > _ABOUT:
        raise CheckpointError(f"the weights of its heads {shown(weights)} are no shares of 1; adapt again")
    return weights


def _sound(support: Support, path: str | Path, hidden: bool) -> Support:
    """A support set that `adapt` could have written; to read the structures of another may take hours."""
    if len(support) > _MOST_COMPOUNDS:
        raise CheckpointError(
            f"{path} has {len(support)} labelled compounds; a model has at most {_MOST_COMPOUNDS}"
        )
    if not set(support.relations) <= {-1, 0, 1}:
        raise CheckpointError(f"{path} has relations other than -1, 0 and 1; adapt again")
    if support.target.kind == "classification" and not set(support.values) <= {0.0, 1.0}:
        raise CheckpointError(f"{path} is a model of classes with labels other than 0 and 1; adapt again")
    for smiles in () if hidden else support.smiles:
        found = examine(smiles)
        if isinstance(found, Refusal):
            raise CheckpointError(
                f"{path} has a labelled compound '{shown(smiles)}', which is no structure: {found.detail}"
            )
    return support
