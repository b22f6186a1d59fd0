"""`adapt`: a new assay and a meta-trained model in, a calibrated `Predictor` of the assay out, in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmeta.adaptreport import AdaptReport, HeldOut, Relative
from molmeta.bundle import Origin, rounded
from molmeta.calibration import Conformal, Platt, calibrate
from molmeta.checkpoint import load_checkpoint
from molmeta.configuration import check_seed
from molmeta.conformity import Conformity
from molmeta.crossvalidation import draw_folds, predict_held_out
from molmeta.data.assay import Assay
from molmeta.data.assembly import ledger_of
from molmeta.data.episode import Labelled
from molmeta.data.support import Support
from molmeta.data.table import read_assay
from molmeta.doctor.evidence import MOST_COMPOUNDS, warnings
from molmeta.domain import Domain
from molmeta.doubts import doubt
from molmeta.ensemble import Ensemble, open_ensemble, pick_device
from molmeta.errors import CheckpointError, ConfigError, NotEnoughData
from molmeta.explain.relatives import relatives
from molmeta.fitting import FEWEST_TO_TUNE, Averaging, FineTuning, can_fine_tune
from molmeta.learner import Learner
from molmeta.prediction import Prediction
from molmeta.predictor import Predictor
from molmeta.recipe import Recipe
from molmeta.threads import suited
from molmeta.verdict import judge

_BY_CHANCE = 0.05


def adapt(
    assay: Assay | str | Path | pd.DataFrame,
    model: Learner | str | Path = "base",
    *,
    device: str = "auto",
    seed: int = 0,
    verdict: bool = True,
    head: str | None = None,
    fine_tune: bool = False,
    **reading: Any,
) -> Predictor:
    """Adapts a meta-trained model to an assay.

    The default head of the model is conditioned on the assay, calibrated on held-out predictions, and
    compared with guessing, kNN and a random forest by repeated cross-validation.

    Parameters
    ----------
    assay : Assay, path or DataFrame
        What is no `Assay` goes through `read_assay` with the options `reading`.
    model : str, path or Learner
        Name of a shipped checkpoint, folder of another, or a learner.
    device : str
        "auto", "cpu", "cuda", "cuda:0", ...
    seed : int
        Of the splits.
    verdict : bool
        Whether to compare with the baselines, which takes nearly all of the time.
    head : str or None
        Another head of the model, or "average" for all of them, weighted by their cross-validated log
        predictive score on the assay (pseudo-BMA+, with a prior for the default head).
    fine_tune : bool
        Try to fine-tune the encoder; kept only where held-out compounds are predicted better.

    Raises
    ------
    InputError
        The assay cannot be read (see `read_assay`); NotEnoughData where it has one class or one value.
    CheckpointError, ConfigError
        The model cannot be loaded; it has no such head; no such device; a seed that is none.
    """
    started = time.perf_counter()
    check_seed(seed)
    assay = _read(assay, reading)
    origin = None if isinstance(model, Learner) else Origin.of(model)
    learner = rounded(model if isinstance(model, Learner) else load_checkpoint(model))
    recipe = Recipe(ledger_of(assay), seed, head, fine_tune, origin)
    return adapt_by(recipe, assay, learner.to(pick_device(device)), verdict=verdict, started=started)


def adapt_by(recipe: Recipe, assay: Assay, learner: Learner, *, verdict: bool, started: float) -> Predictor:
    """Adapts a learner to the assay of a recipe's ledger.

    Parameters
    ----------
    recipe : Recipe
    assay : Assay
    learner : Learner
        With its weights as they are stored, on the device that is to be used; it is not changed.
    verdict : bool
        Whether to compare with the baselines.
    started : float
        When the work began, by `time.perf_counter`.

    Raises
    ------
    ConfigError
        The learner has no such head.
    """
    with suited(len(assay)):
        return _adapted(recipe, assay, learner, verdict, started)


def _adapted(recipe: Recipe, assay: Assay, learner: Learner, verdict: bool, started: float) -> Predictor:
    seed = recipe.seed
    assay, notes = _limited(assay, seed)
    start = open_ensemble(learner, assay.target.kind, recipe.head)
    support = Support.of(assay)
    bare = support.labelled(start.needs | {"counts"}).to(start.device)
    fit = _fit(Averaging(start, seed), bare)
    if recipe.fine_tune:
        fit, note = _try_fine_tuning(fit, bare)
        notes.append(note)
    tuned = fit.way.tunes
    calibration = _calibrate(fit, bare, learner)
    predictor = Predictor(
        ensemble=fit.ensemble,
        support=support,
        calibration=calibration,
        domain=Domain.fit(bare.mols.need("counts"), fit.held_out),
        report=_report(assay, learner, fit, notes),
        origin=None if tuned else recipe.origin,
        recipe=recipe,
    )
    known = fit.held_out if tuned or len(fit.way.start.weights) == 1 else None  # several are weighed anew
    judged = judge(fit.way, fit.way.data(bare), seed, known) if verdict else None
    outcome = None if fit.held_out is None else calibration.apply(fit.held_out)
    report = replace(
        predictor.report,
        verdict=judged,
        doubts=None if outcome is None else doubt(outcome, support),
        relatives=_relatives(predictor),
        held_out=None if outcome is None else HeldOut.of(outcome),
        seconds=time.perf_counter() - started,
    )
    return replace(predictor, report=report)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A way to fit, what it gave on the whole support set, and its held-out prediction, if possible."""

    way: Averaging
    ensemble: Ensemble
    held_out: Prediction | None


def _fit(way: Averaging, bare: Labelled) -> _Fit:
    data = way.data(bare)
    ensemble, folds = way.fit(data), draw_folds(bare, way.seed)
    # The weights of the heads are few and strongly averaged: they need no folds of their own here, and
    # the verdict gives them some. Weights of an encoder do.
    method = way if way.tunes else ensemble
    return _Fit(way, ensemble, predict_held_out(method, data, folds) if folds else None)


def _try_fine_tuning(plain: _Fit, bare: Labelled) -> tuple[_Fit, str]:
    """The fine-tuned fit where it predicts held-out compounds better by more than a standard error."""
    if plain.held_out is None or not can_fine_tune(bare):
        return plain, f"not fine-tuned: that needs {FEWEST_TO_TUNE} compounds, two of each class"
    tuned = _fit(FineTuning(plain.way.start, plain.way.seed), bare)
    assert tuned.held_out is not None
    exact, y = bare.relation == 0, bare.y.double()
    gain = (tuned.held_out.log_prob(y) - plain.held_out.log_prob(y))[exact].cpu().double().numpy()
    mean, error = float(gain.mean()), float(gain.std(ddof=1)) / len(gain) ** 0.5
    measured = f"log score of held-out compounds {mean:+.3f} ± {error:.3f}"
    if _pays(mean, error):
        return tuned, f"fine-tuned on this assay, and kept: {measured}"
    return plain, f"fine-tuned on this assay, and put back: {measured}"


def _relatives(predictor: Predictor) -> tuple[Relative, ...]:
    """Training assays like this one; none where nothing is known of them, or chance would find them too."""
    try:
        found = relatives(predictor)
    except (CheckpointError, NotEnoughData):
        return ()
    alike = found[found["chance"] < _BY_CHANCE]
    return tuple(
        Relative(row["assay"], row["family"], row["correlation"], row["chance"])
        for row in alike.to_dict("records")
    )


def _pays(mean: float, error: float) -> bool:
    """Whether a gain in log score, with its standard error, is worth keeping."""
    return mean > error


def _read(assay: Assay | str | Path | pd.DataFrame, reading: dict[str, Any]) -> Assay:
    if not isinstance(assay, Assay):
        return read_assay(assay, **reading)
    if reading:
        raise ConfigError(f"{', '.join(reading)}: options for reading a table, but the assay is read already")
    return assay


def _limited(assay: Assay, seed: int) -> tuple[Assay, list[str]]:
    """At most MOST_COMPOUNDS compounds, drawn at random, and a note where some were left out."""
    n = len(assay)
    if n <= MOST_COMPOUNDS:
        return assay, []
    keep = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_COMPOUNDS])
    smaller = replace(
        assay,
        molecules=tuple(assay.molecules[i] for i in keep),
        values=assay.values[keep],
        relations=assay.relations[keep],
        ids=tuple(assay.ids[i] for i in keep) if assay.ids else (),
        replicates=tuple(assay.replicates[i] for i in keep) if assay.replicates else (),
    )
    return smaller, [f"{MOST_COMPOUNDS} of {n} compounds were drawn at random; the others are not used"]


def _calibrate(fit: _Fit, data: Labelled, learner: Learner) -> Platt | Conformal:
    usual = list(fit.ensemble.weights) == [learner.default_head] and not fit.way.tunes
    return calibrate(fit.held_out, data, learner.conformity if usual else Conformity.unknown())


def _report(assay: Assay, learner: Learner, fit: _Fit, notes: list[str]) -> AdaptReport:
    classes = assay.target.kind == "classification"
    return AdaptReport(
        assay=assay.name,
        model=learner.name,
        target=assay.target,
        n=len(assay),
        n_rows=assay.n_rows,
        rejected=len(assay.rejected),
        unlabelled=len(assay.unlabelled),
        n_active=int(assay.values.sum()) if classes else None,
        span=None if classes else (float(assay.values.min()), float(assay.values.max())),
        heads=fit.ensemble.weights,
        fine_tuned=fit.way.tunes,
        seen=int(learner.knows([molecule.smiles for molecule in assay.molecules]).sum()),
        verdict=None,
        notes=(*assay.notes, *notes),
        warnings=tuple(warnings(assay)),
        seconds=0.0,
    )
