"""What the interface of JSON is sent: documented fields with their limits, and the question that they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from molmeta.serve.limits import Limits
from molmeta.serve.problems import RequestError
from molmeta.serve.question import (
    ACTIVES,
    CANDIDATES,
    INACTIVES,
    VALUES,
    Adapting,
    Labelled,
    Line,
    Ranking,
    Reusing,
)

Smiles = Annotated[str, Field(max_length=5000, description="A SMILES.", examples=["CC(=O)Oc1ccccc1C(=O)O"])]


EXAMPLE: dict[str, JsonValue] = {
    "actives": ["CCO", {"smiles": "CCCO", "name": "propanol"}, "OCc1ccccc1"],
    "inactives": ["CCC", "CCCC", "Cc1ccccc1"],
    "candidates": ["CCCCO", "CCCCC"],
    "options": {"verdict": False},
}


class Asked(BaseModel):
    """Base of what is sent; a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Asked):
    """A structure with a name."""

    smiles: Smiles
    name: Annotated[str, Field(max_length=200, description="Any text; it comes back as it is.")] = ""


Compound = Smiles | Named
Value = (
    Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=100, description="Also with a sign or a unit: '>30', '12 nM'.")]
)


class Options(Asked):
    """How labels are read and what is computed; all have defaults."""

    name: Annotated[str, Field(max_length=100, description="Name of the assay.")] = "pasted"
    measured: Annotated[
        str, Field(min_length=1, max_length=100, description="What the values are, such as IC50 or logD.")
    ] = "value"
    unit: Annotated[
        str | None, Field(max_length=20, description="Unit of the values: nM, uM, mM, M, pIC50, %, ...")
    ] = None
    decimal: Annotated[str | None, Field(max_length=1, description="Decimal sign of values in text.")] = None
    lower_is_better: Annotated[
        bool, Field(description="Rank small values first, on the model's scale (nM becomes -log10 of mol/L).")
    ] = False
    active_if: Annotated[
        str | None,
        Field(max_length=40, description="Make two classes of the values, on the model's scale: '>= 6.5'."),
    ] = None
    verdict: Annotated[
        bool, Field(description="Compare with simple baselines, which takes most of the time.")
    ] = True
    prevalence: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Share of actives that is expected among the candidates."),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Of the cross-validation.")] = 0


class AdaptAndRank(Asked):
    """Labelled compounds, either as two lists of classes or with values, and candidates to rank."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    actives: Annotated[list[Compound] | None, Field(description="With `inactives`.")] = None
    inactives: Annotated[list[Compound] | None, Field(description="With `actives`.")] = None
    compounds: Annotated[list[Compound] | None, Field(description="With `values`.")] = None
    values: Annotated[list[Value] | None, Field(description="One for each of `compounds`.")] = None
    candidates: Annotated[list[Compound], Field(min_length=1, description="Compounds to rank.")]
    options: Options = Options()

    @model_validator(mode="after")
    def _one_kind(self) -> AdaptAndRank:
        classes = (self.actives is not None, self.inactives is not None)
        values = (self.compounds is not None, self.values is not None)
        if classes + values not in ((True, True, False, False), (False, False, True, True)):
            raise ValueError("wanted both actives and inactives, or both compounds and values")
        if self.compounds is not None and len(self.compounds) != len(self.values or []):
            raise ValueError(
                f"{len(self.compounds)} compounds, {len(self.values or [])} values; one for each"
            )
        return self

    def question(self, limits: Limits) -> Adapting:
        """What is asked; raises RequestError for too many rows."""
        options = self.options
        ranking = Ranking(_lines(self.candidates), options.prevalence)
        reading: dict[str, str | bool] = {"lower_is_better": options.lower_is_better}
        if self.compounds is not None and self.values is not None:
            reading |= {
                name: value
                for name in ("unit", "decimal", "active_if")
                if (value := getattr(options, name)) is not None
            }
            boxes = {VALUES: _lines(self.compounds, [str(value) for value in self.values])}
            labelled = Labelled(boxes, options.name, options.measured, reading)
        else:
            sides = {ACTIVES: (self.actives or [], "1"), INACTIVES: (self.inactives or [], "0")}
            boxes = {box: _lines(side, [label] * len(side)) for box, (side, label) in sides.items()}
            labelled = Labelled(boxes, options.name, reading=reading)
        asked = Adapting(labelled, ranking, options.verdict, options.seed)
        check_rows(asked, limits)
        return asked


class Rank(Asked):
    """Candidates to rank with a model that is there."""

    candidates: Annotated[list[Compound], Field(min_length=1, description="Compounds to rank.")]
    prevalence: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Share of actives that is expected among them; for models of classes."),
    ] = None

    def question(self, model: str, limits: Limits) -> Reusing:
        """What is asked; raises RequestError for too many rows."""
        asked = Reusing(model, Ranking(_lines(self.candidates), self.prevalence))
        check_rows(asked, limits)
        return asked


def check_rows(asked: Adapting | Reusing, limits: Limits) -> None:
    """Raises RequestError for more rows than are computed."""
    counts = {CANDIDATES: (len(asked.ranking.candidates), limits.candidates)}
    if isinstance(asked, Adapting):
        counts["labelled compounds"] = (len(asked.labelled), limits.labelled)
    for what, (found, most) in counts.items():
        if found > most:
            advice = "; molmeta adapt and molmeta score take more"
            raise RequestError(422, f"{found:,} {what}, and {most:,} is the most here{advice}")


def _lines(compounds: list[Compound], labels: list[str] | None = None) -> tuple[Line, ...]:
    named = [(one.smiles, one.name) if isinstance(one, Named) else (one, "") for one in compounds]
    given = labels or [""] * len(named)
    return tuple(
        Line(i, smiles, name, label)
        for i, ((smiles, name), label) in enumerate(zip(named, given, strict=True), 1)
    )
