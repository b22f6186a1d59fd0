"""The compounds that a report draws: a structure with its atoms coloured, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from molmeta.adaptreport import AdaptReport
from molmeta.chem.rows import features_of
from molmeta.domain import neighbours
from molmeta.doubts import Doubts
from molmeta.drawing import structure
from molmeta.explain.atoms import AtomContributions, contributions
from molmeta.explain.reading import read
from molmeta.predictor import Predictor
from molmeta.report import words

EACH_END = 6  # labelled compounds that are drawn of the highest and of the lowest labels
_SIZE = (240, 180)
_SMALL = (150, 110)


@dataclass(frozen=True)
class Card:
    """A compound with its picture.

    Attributes
    ----------
    name : str
    picture : str
        SVG, or a `code` element where there is none.
    lines : tuple of str
        What is known of it, the most important first.
    tag, tone : str
        A word on it, and how good the news is ("good", "care", "bad" or "").
    nearest : Card or None
        The most similar labelled compound.
    """

    name: str
    picture: str
    lines: tuple[str, ...]
    tag: str = ""
    tone: str = ""
    nearest: Card | None = None


def labelled_cards(predictor: Predictor) -> list[Card]:
    """Labelled compounds with the highest labels, then with the lowest, atoms coloured; none of a private
    model."""
    support, report = predictor.support, predictor.report
    if support.is_hidden:
        return []
    # Of a class, those first that the others speak for most clearly.
    clear = report.held_out.predicted if report.held_out else [0.0] * len(support)
    falling = sorted(range(len(support)), key=lambda i: (-support.values[i], -clear[i]))
    shown = falling if len(falling) <= 2 * EACH_END else falling[:EACH_END] + falling[-EACH_END:]
    names = support.names()
    pictures = _coloured(predictor, [support.smiles[i] for i in shown])
    return [
        Card(names[i], picture, (f"measured: {words.label(support, i)}", *_held_out(report, i)))
        for i, picture in zip(shown, pictures, strict=True)
    ]


def _held_out(report: AdaptReport, i: int) -> Iterator[str]:
    found, classes = report.held_out, report.n_active is not None
    if found is not None:
        text = words.predicted(found.predicted[i], found.low[i], found.high[i], classes)
        yield f"predicted from the others: {text}"


def ranked_cards(predictor: Predictor, best: pd.DataFrame, names: Sequence[str]) -> list[Card]:
    """The best of a library, each beside the labelled compound that it is most similar to."""
    support = predictor.support
    classes = support.target.kind == "classification"
    value = "mm_probability" if classes else "mm_value"
    if not len(best):
        return []
    smiles = best["mm_smiles"].tolist()
    # By structure, since several labelled compounds may have one name.
    mols = predictor.ensemble.prepare(features_of(read(smiles), predictor.needs)[1])
    _, nearest_ones = neighbours(mols.need("counts"), predictor.labelled.mols.need("counts"))
    cards = []
    for rank, (row, name, picture, i) in enumerate(
        zip(best.to_dict("records"), names, _coloured(predictor, smiles), nearest_ones, strict=True), start=1
    ):
        tag, tone = words.domain(bool(row["mm_in_domain"]), row["mm_nearest_similarity"])
        nearest = Card(
            support.names()[i],
            _drawn(support.smiles[i], _SMALL, support.names()[i]),
            (f"measured: {words.label(support, i)}", f"similarity {row['mm_nearest_similarity']:.2f}"),
        )
        cards.append(
            Card(
                name=f"{rank}. {name}",
                picture=picture,
                lines=(f"predicted: {words.predicted(row[value], row['mm_low'], row['mm_high'], classes)}",),
                tag=tag,
                tone=tone,
                nearest=nearest,
            )
        )
    return cards


def doubted_cards(predictor: Predictor, doubts: Doubts) -> list[Card]:
    """Labelled compounds whose labels are a surprise."""
    classes = predictor.support.target.kind == "classification"
    relation = dict(zip(predictor.support.rows, predictor.support.relations, strict=True))
    cards = []
    for one in doubts.named:
        predicted = (
            f"{100 * one.predicted:.0f} % likely active" if classes else words.minus(f"{one.predicted:.3g}")
        )
        rows = ", ".join(map(str, one.rows))
        lines = (
            f"measured: {words.said(one.label, relation[one.rows], classes)}",
            f"predicted from the others: {predicted}",
            f"row {rows} of the file",
        )
        cards.append(Card(one.name, _drawn(one.smiles, _SIZE, one.name), lines))
    return cards


def _drawn(smiles: str, size: tuple[int, int], name: str) -> str:
    """A structure, if it is kept."""
    return structure(smiles, size, label=name) if smiles else ""


def _coloured(predictor: Predictor, smiles: Sequence[str]) -> list[str]:
    """Pictures with one scale for all, so that colours compare."""
    found: list[AtomContributions] = contributions(predictor, smiles)
    sizes = [np.abs(one.values).max() for one in found if len(one.values)]
    scale = float(np.quantile(sizes, 0.9)) if sizes else 1.0
    return [structure(one.mol, _SIZE, one.values, scale or 1.0, one.smiles) for one in found]
