"""Adapted models to `.molmeta` files; `molmeta.loading` is the way back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from molmeta.adaptreport import AdaptReport
from molmeta.bundle import Origin, versions, write_bundle, write_reference
from molmeta.calibration import Conformal, Platt
from molmeta.data.support import Support
from molmeta.domain import Domain
from molmeta.ensemble import Ensemble
from molmeta.errors import RefusedError
from molmeta.private import Hidden
from molmeta.recipe import Recipe


class Adapted(Protocol):
    """What is saved of a model; see `molmeta.predictor.Predictor`."""

    @property
    def ensemble(self) -> Ensemble: ...
    @property
    def support(self) -> Support: ...
    @property
    def calibration(self) -> Platt | Conformal: ...
    @property
    def domain(self) -> Domain: ...
    @property
    def report(self) -> AdaptReport: ...
    @property
    def origin(self) -> Origin | None: ...
    @property
    def recipe(self) -> Recipe | None: ...
    @property
    def hidden(self) -> Hidden | None: ...


def save(model: Adapted, path: Path, *, force: bool, reference_only: bool) -> None:
    """Writes a model into one file; raises as `Predictor.save`."""
    hidden = model.hidden
    state = {
        "support": asdict(model.support),
        "calibration": asdict(model.calibration),
        "domain": asdict(model.domain),
        "report": asdict(model.report),
        "weights": model.ensemble.weights,
        "versions": versions(),
        "source": model.origin and asdict(model.origin),
        "recipe": model.recipe and asdict(model.recipe),
    }
    compounds = None
    if hidden is not None:
        state["hidden"] = {"salt": hidden.salt, "hashes": hidden.hashes}
        compounds = hidden.tensors()
    if not reference_only:
        learner = model.ensemble.learner
        heads = model.recipe.heads(learner) if model.recipe else list(model.ensemble.weights)
        write_bundle(path, learner, heads, state, compounds, force=force)
    elif model.origin is None:
        raise RefusedError(
            "this model was fine-tuned or comes from no checkpoint, so that there is none to refer to; "
            "save it with its weights (without --reference-only)"
        )
    else:
        write_reference(path, model.origin, state, compounds, force=force)
