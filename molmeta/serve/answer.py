"""What a service answers: documented fields, the same for the page, for JSON and for the table."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from molmeta.verdict import Level


class Said(BaseModel):
    """Base of what is answered; cannot be changed."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Judgement(Said):
    """The model against simple baselines, by repeated cross-validation on the labelled compounds."""

    level: Annotated[Level, Field(description="useful, like_baseline, useless or unknown")]
    headline: Annotated[str, Field(description="What that means for the work.")]
    sentence: Annotated[str, Field(description="The same with numbers.")]
    metric: Annotated[str, Field(description="ΔAUPRC (average precision - prevalence), or R².")]
    scores: Annotated[
        dict[str, tuple[float, float]],
        Field(description="Metric and standard error of molmeta, knn, rf (random forest) and guessing."),
    ]


class Basis(Said):
    """What a model rests on."""

    assay: Annotated[str, Field(description="Name of the assay.")]
    checkpoint: Annotated[str, Field(description="The meta-trained model that was adapted.")]
    kind: Annotated[str, Field(description="classification or regression")]
    measured: Annotated[str, Field(description="What was measured; values are on this scale.")]
    higher_is_better: Annotated[bool, Field(description="Whether larger values rank first.")]
    compounds: Annotated[int, Field(description="Labelled compounds that were learned from.")]
    actives: Annotated[int | None, Field(description="Of these; null where values were measured.")]
    span: Annotated[
        tuple[float, float] | None, Field(description="Least and largest value; null for classes.")
    ]
    seen: Annotated[int, Field(description="Labelled compounds that were in meta-training, in other assays.")]
    verdict: Annotated[Judgement | None, Field(description="null where it was not asked for.")]
    notes: Annotated[list[str], Field(description="Decisions taken while the labels were read.")]
    warnings: Annotated[list[str], Field(description="Reasons for caution; each starts with its code.")]


class Refused(Said):
    """A row that could not be used."""

    box: Annotated[str, Field(description="Which rows: actives, inactives, measured compounds, ...")]
    row: Annotated[int, Field(description="Its number there, from 1.")]
    name: str
    text: Annotated[str, Field(description="What it holds, cut to 200 characters.")]
    reason: Annotated[str, Field(description="Reason code, as in mm_status.")]
    detail: Annotated[str, Field(description="One sentence for people.")]


class Ranked(Said):
    """A compound with its prediction; the numbers have the meaning of the columns of `molmeta score`."""

    rank: Annotated[int, Field(description="From 1, the best.")]
    row: Annotated[int, Field(description="Number of the row among the candidates, from 1.")]
    name: str
    text: Annotated[str, Field(description="The structure as it was given.")]
    smiles: Annotated[str, Field(description="The structure that was scored: standardized, without salts.")]
    score: Annotated[float, Field(description="Sort key, higher is better.")]
    predicted: Annotated[float, Field(description="Chance of the active class, or the predicted value.")]
    std: Annotated[float | None, Field(description="Standard deviation.")]
    low: Annotated[float | None, Field(description="Lower end of the interval of 90 %.")]
    high: Annotated[float | None, Field(description="Its upper end.")]
    call: Annotated[int | None, Field(description="1 or 0 at the fitted threshold; null for values.")]
    set: Annotated[str | None, Field(description="90 % prediction set: active, inactive, either or neither.")]
    in_domain: Annotated[
        bool | None, Field(description="Whether it resembles what was measured; false: do not trust it.")
    ]
    nearest: Annotated[str | None, Field(description="The most similar labelled compound.")]
    nearest_smiles: Annotated[str | None, Field(description="Its structure, where the name tells.")]
    nearest_similarity: Annotated[float | None, Field(description="Tanimoto similarity, 0 to 1.")]
    nearest_label: Annotated[float | None, Field(description="Its label: 1 or 0, or its value.")]


class Answer(Said):
    """Compounds in order, the model that ordered them, and the rows that could not be used."""

    model: Basis
    ranked: Annotated[list[Ranked], Field(description="The best first.")]
    rejected: Annotated[list[Refused], Field(description="Each row is ranked, learned from, or here.")]
    seconds: Annotated[float, Field(description="Computing time.")]


class Illustrated(Said):
    """An answer with pictures, for the page.

    Attributes
    ----------
    answer : Answer
    pictures : dict of str to str
        An SVG, or text in its place, by the SMILES that it shows.
    """

    answer: Answer
    pictures: dict[str, str]
