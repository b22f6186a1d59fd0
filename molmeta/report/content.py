"""What a report says, as plain values that its template lays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molmeta.adaptreport import AdaptReport
from molmeta.bundle import versions
from molmeta.chem.similarity import tanimoto
from molmeta.data.assembly import assemble
from molmeta.doctor import Diagnosis
from molmeta.doctor.examination import diagnose
from molmeta.errors import NotEnoughData
from molmeta.learningcurve import LearningCurve
from molmeta.predictor import Predictor
from molmeta.report import plots, words
from molmeta.report.compounds import Card, doubted_cards, labelled_cards, ranked_cards
from molmeta.report.ranking import EDGES, Ranking
from molmeta.wording import counted


@dataclass(frozen=True)
class Picture:
    """A plot: its `data:` address, what it shows in words, and how to read it."""

    source: str
    shown: str
    caption: str


@dataclass(frozen=True)
class Library:
    """The best of a library, and what it is like."""

    name: str
    extent: str
    cards: list[Card]
    picture: Picture | None


@dataclass(frozen=True)
class Content:
    """A report, section by section; None and empty lists where there is nothing to say."""

    report: AdaptReport
    tone: str
    opening: str
    headline: str
    facts: list[words.Fact]
    comparison: tuple[list[str], list[list[str]]] | None
    metric: str
    unit: str
    pictures: list[Picture]
    curve: Picture | None
    forecast: list[str]
    labelled: list[Card]
    doubted: list[Card]
    library: Library | None
    diagnosis: Diagnosis | None
    provenance: list[words.Fact]


def content_of(
    predictor: Predictor, ranking: Ranking | None = None, names: list[str] | None = None
) -> Content:
    """Everything that a report of a model says.

    Parameters
    ----------
    predictor : Predictor
        With labelled compounds.
    ranking : Ranking or None
        Of a library, if there is one.
    names : list of str or None
        Of the best compounds of the ranking.

    Raises
    ------
    NotEnoughData
        The model has no labelled compounds.
    """
    report, verdict = predictor.report, predictor.report.verdict
    if not len(predictor.support):
        raise NotEnoughData(f"{predictor.name} is a prior without labelled compounds; adapt it to some first")
    curve = verdict.curve if verdict else None
    return Content(
        report=report,
        tone=words.TONES[verdict.level][0] if verdict else "care",
        opening=words.TONES[verdict.level][1] if verdict else "Not tested.",
        headline=words.headline(verdict) if verdict else "It was adapted without a comparison.",
        facts=words.facts(report),
        comparison=words.comparison(verdict) if verdict and verdict.scores else None,
        metric=words.metric(report),
        unit="chance of being active" if report.n_active is not None else words.unit(report),
        pictures=_pictures(predictor),
        curve=_curve(curve, report) if curve else None,
        forecast=_forecast(curve) if curve else [],
        labelled=labelled_cards(predictor),
        doubted=doubted_cards(predictor, report.doubts) if report.doubts else [],
        library=None if ranking is None else _library(predictor, ranking, names or []),
        diagnosis=_diagnosis(predictor),
        provenance=_provenance(predictor),
    )


def _pictures(predictor: Predictor) -> list[Picture]:
    """How the compounds came out that were held out."""
    report, support, found = predictor.report, predictor.support, predictor.report.held_out
    if found is None:
        return []
    y, relation = np.array(support.values), np.array(support.relations, dtype=np.int8)
    value, std, low, high = (np.array(x) for x in (found.predicted, found.std, found.low, found.high))
    if report.n_active is not None:
        return [
            Picture(
                plots.roc(y, value),
                "ROC curve of held-out compounds",
                "The higher above the dashed line, the better: actives come before inactives.",
            ),
            Picture(
                plots.precision_recall(y, value),
                "Precision against recall of held-out compounds",
                "Of the compounds picked from the top, how many are active.",
            ),
            Picture(
                plots.reliability(y, value),
                "Share of actives against the predicted chance, in groups",
                "Points on the dashed line: of compounds called 70 % likely, 70 % are active. The bars are "
                "90 % intervals of the share; they are wide where there are few compounds.",
            ),
        ]
    exact = relation == 0
    inside = int(((y >= low) & (y <= high))[exact].sum())
    unit = words.unit(report)
    return [
        Picture(
            plots.predicted_against_measured(y, relation, value, low, high, unit),
            f"{unit} predicted against measured, of held-out compounds",
            f"The lines are 90 % intervals: {inside} of {int(exact.sum())} measured values lie in theirs.",
        ),
        Picture(
            plots.coverage(y[exact], value[exact], std[exact]),
            "Share of held-out compounds in intervals of each width",
            "Above the dashed line the model is more careful than it need be, below it too sure of itself.",
        ),
    ]


def _curve(curve: LearningCurve, report: AdaptReport) -> Picture:
    scores = ", ".join(f"{point.score:.2f} with {point.compounds}" for point in curve.points)
    return Picture(
        plots.learning_curve(curve, report.n),
        f"{curve.metric} by the number of labelled compounds: {scores}",
        "Measured by learning from a quarter, a half and all of the compounds that were not held out; the "
        "rest is a forecast from this curve and from those of earlier assays.",
    )


def _forecast(curve: LearningCurve) -> list[str]:
    return [
        f"{one.added} more: {words.typeset(one.gain, True)} "
        f"(90 % interval {words.typeset(one.low, True)} to {words.typeset(one.high, True)})"
        for one in curve.forecasts
    ]


def _library(predictor: Predictor, ranking: Ranking, names: list[str]) -> Library:
    counts = predictor.labelled.mols.need("counts")
    own = tanimoto(counts, counts).fill_diagonal_(-1).max(1).values.cpu().double().numpy()
    scored = int(ranking.similarity.sum())
    unread = ranking.rows - ranking.status["ok"]
    said = [counted(ranking.rows, "row")]
    said += [f"{unread} could not be read"] if unread else []
    said += [f"{ranking.measured} of labelled compounds, which are left out here"] if ranking.measured else []
    rest = f"the other {scored}" if ranking.measured or unread else f"these {scored}"
    said.append(f"{ranking.inside} of {rest} are in the domain of the model")
    picture = Picture(
        plots.similarities(EDGES, ranking.similarity, own, predictor.domain.similarity),
        "Similarity of the library to the nearest labelled compound",
        "The further the library lies to the left of your own compounds, the more the model has to guess.",
    )
    cards = ranked_cards(predictor, ranking.best, names)
    return Library(ranking.source, "; ".join(said), cards, picture if scored else None)


def _diagnosis(predictor: Predictor) -> Diagnosis | None:
    """What the assay doctor says of the rows that the model was made from, where it keeps them."""
    if predictor.recipe is None:
        return None
    return diagnose(assemble(predictor.recipe.ledger), predictor.ensemble.learner)


def _provenance(predictor: Predictor) -> list[words.Fact]:
    report, origin = predictor.report, predictor.origin
    heads = ", ".join(f"{name} {weight:.0%}" for name, weight in report.heads.items())
    found = [
        words.Fact("model", report.model + (" (fine-tuned on this assay)" if report.fine_tuned else "")),
        words.Fact("heads", heads),
        words.Fact("known from meta-training", f"{report.seen} of {counted(report.n, 'compound')}"),
    ]
    if origin is not None:
        found.append(words.Fact("SHA-256 of the weights", origin.sha256))
    if predictor.recipe is not None:
        found.append(words.Fact("seed", str(predictor.recipe.seed)))
    return found + [words.Fact(name, version) for name, version in versions().items()]
