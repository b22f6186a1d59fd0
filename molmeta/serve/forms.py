"""The forms of the page: what was filled in, and the question that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from molmeta.serve.boxes import lines_of, measured_of
from molmeta.serve.limits import Limits
from molmeta.serve.problems import RequestError
from molmeta.serve.question import (
    ACTIVES,
    INACTIVES,
    VALUES,
    Adapting,
    Labelled,
    Question,
    Ranking,
    Reusing,
)

SHOWN = 100  # compounds of the table on the page; the file has all
_LONGEST = 100  # characters of a field of one line
_MOST_LINES = 4  # for each row that may be given: two ends of its line, and as many of a blank one

Filled = Mapping[str, str]


@dataclass(frozen=True)
class Form:
    """A form of the page.

    Attributes
    ----------
    path : str
        Where it is, and where it is sent to.
    title, template : str
    fields : tuple of str
        Names of its fields; others are passed over.
    question : callable
        The question of what was filled in.
    """

    path: str
    title: str
    template: str
    fields: tuple[str, ...]
    question: Callable[[Filled], Question]

    def check(self, given: Filled, limits: Limits) -> None:
        """Raises RequestError for so many lines that to read them would keep all others waiting."""
        lines = sum(text.count("\n") + text.count("\r") for text in self.filled(given).values())
        most = _MOST_LINES * (limits.labelled + limits.candidates)
        if lines > most:
            raise RequestError(413, f"{lines:,} lines, and {most:,} is the most here; paste fewer")

    def filled(self, given: Filled) -> dict[str, str]:
        """A text for each field."""
        return {name: given.get(name, "") for name in self.fields}


def _classes(filled: Filled) -> Adapting:
    boxes = {ACTIVES: lines_of(filled["actives"], "1"), INACTIVES: lines_of(filled["inactives"], "0")}
    for box, found in boxes.items():
        if not found:
            raise RequestError(422, f"the box of {box} is empty; paste at least one SMILES, one a line")
    return _adapting(Labelled(boxes, _name(filled)), filled)


def _values(filled: Filled) -> Adapting:
    found = measured_of(filled["compounds"])
    if not found:
        raise RequestError(422, "the box of measured compounds is empty; paste lines of a SMILES and a value")
    reading: dict[str, str | bool] = {"lower_is_better": filled["better"] == "lower"}
    if unit := filled["unit"].strip()[:_LONGEST]:
        reading["unit"] = unit
    column = filled["measured"].strip()[:_LONGEST] or "value"
    return _adapting(Labelled({VALUES: found}, _name(filled), column, reading), filled)


def _adapting(labelled: Labelled, filled: Filled) -> Adapting:
    return Adapting(labelled, _ranking(filled), verdict=filled["verdict"] != "no")


def _ranking(filled: Filled) -> Ranking:
    candidates = lines_of(filled["candidates"])
    if not candidates:
        raise RequestError(422, "the box of compounds to rank is empty; paste at least one SMILES")
    return Ranking(candidates, _share(filled.get("prevalence", "")), SHOWN)


def _share(text: str) -> float | None:
    """A share that was given in percent."""
    text = text.strip().removesuffix("%").strip().replace(",", ".")
    if not text:
        return None
    try:
        share = float(text) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise RequestError(422, "the expected share of actives is no number between 0 and 100 %")
    return share


def _name(filled: Filled) -> str:
    return filled["name"].strip()[:_LONGEST] or "pasted"


ACTIVES_AND_INACTIVES = Form(
    "/",
    "Actives and inactives",
    "classes.html",
    ("name", "actives", "inactives", "candidates", "prevalence", "verdict"),
    _classes,
)
MEASURED = Form(
    "/values",
    "Measured values",
    "values.html",
    ("name", "compounds", "measured", "unit", "better", "candidates", "verdict"),
    _values,
)


def reuse(name: str, title: str, classes: bool) -> Form:
    """The form of an adapted model."""
    return Form(
        f"/models/{name}",
        title,
        "model.html",
        ("candidates", "prevalence") if classes else ("candidates",),
        lambda filled: Reusing(name, _ranking(filled)),
    )
