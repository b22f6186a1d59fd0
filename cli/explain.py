"""`molmeta explain`: what a prediction rests on: atoms, labelled compounds, training assays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molmeta.wording import counted

from . import render
from .options import Device, Force, Json, refuse_existing

if TYPE_CHECKING:
    import pandas as pd

    from molmeta.explain.account import Account
    from molmeta.predictor import Predictor

_ADDITIVE = 0.7  # below this share, sums of contributions are a poor picture
_WORTH_TELLING = 0.05  # of what is remembered


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Adapted model (.molmeta).")],
    compounds: Annotated[
        list[str] | None, typer.Argument(metavar="[SMILES|FILE]...", help="Compounds, or tables of them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Picture of the atoms: .svg or .png.")
    ] = None,
    most: Annotated[int, typer.Option("-n", min=1, help="Labelled compounds, and assays, to name.")] = 5,
    limit: Annotated[int, typer.Option(min=1, help="Rows to explain of a table.")] = 24,
    device: Device = "auto",
    force: Force = False,
    json: Json = False,
) -> None:
    """Say what an adapted model rests on.

    Of each compound given: which of its groups and atoms raise and lower its prediction, and the labelled
    compounds without which that would be another one. Of the model: the training assays that order its
    labelled compounds as it does.
    """
    from molmeta import explain as explaining
    from molmeta.errors import CheckpointError, ConfigError, InputError, NotEnoughData
    from molmeta.explain import picture
    from molmeta.explain.account import accounts
    from molmeta.explain.compounds import compounds_of
    from molmeta.loading import load

    if out is not None:
        picture.check(out, len(compounds or []))
        refuse_existing(out, force)
        if not compounds:
            raise ConfigError("found no compound to draw; give SMILES or a table of them")
    predictor = load(model, device=device)
    asked = compounds_of(compounds or [], limit)
    if out is not None:
        picture.check(out, len(asked.compounds))
    with render.progress("explaining"):
        explained, bad = accounts(predictor, asked.compounds)
        if bad and not explained:
            first, why = bad[0]
            raise InputError(f"'{first.text or first.name}' cannot be explained: {why.reason}; {why.detail}")
        carriers, prior = None, ""
        try:
            texts = list(dict.fromkeys(one.atoms.smiles for one in explained))
            carriers = explaining.carriers(predictor, texts, most) if texts else None
        except NotEnoughData as error:
            prior = str(error)
        try:
            relatives, without = explaining.relatives(predictor, most=most), ""
        except (CheckpointError, NotEnoughData) as error:
            relatives, without = None, str(error)
    if out is not None and explained:
        picture.draw(out, explained, predictor)
    if json:
        tables = {"carriers": carriers, "relatives": relatives}
        found = {k: [] if v is None else v.to_dict("records") for k, v in tables.items()}
        rejected = [{"name": given.name, "reason": why.reason, "detail": why.detail} for given, why in bad]
        atoms = [_record(one) for one in explained]
        render.json_object({"atoms": atoms, "rejected": rejected, **found, "note": without or None})
        return
    for one in explained:
        _show_compound(predictor, one, carriers)
    if explained:
        _show_words(predictor, prior)
    for given, reason in bad:
        render.line(f"{given.name} cannot be explained: {reason.reason}; {reason.detail}")
    for name in asked.cut:
        render.line(f"{name} has more rows than the first {limit} that are explained; see --limit")
    if out is not None and explained:
        render.line(f"Wrote {out}: {counted(len(explained), 'compound')}")
    if explained:
        render.line()
    _show_relatives(predictor, relatives, without)


def _record(one: Account) -> dict[str, Any]:
    """An account for programs. Atoms are counted from 0."""
    groups = [
        {"group": g.name, "next_to": g.beside, "atoms": g.atoms, "contribution": g.value} for g in one.groups
    ]
    return {
        "name": one.compound.name,
        "input": one.compound.text,
        **one.prediction,
        "level": one.atoms.prediction,
        "remembered": one.atoms.remembered,
        "additivity": one.atoms.additivity,
        "contributions": one.atoms.values.tolist(),
        "input_atoms": one.input_atoms,
        "groups": groups,
    }


def _show_compound(predictor: Predictor, one: Account, carriers: pd.DataFrame | None) -> None:
    from molmeta.explain.captions import nearest, prediction, telling

    render.line(f"{one.compound.name}: {prediction(predictor, one)}; {nearest(predictor, one)}")
    rows = [[g.name, ", ".join(g.beside), f"{g.value:+.2f}"] for g in telling(one)]
    render.table(["group", "next to", "contribution"], rows)
    if one.atoms.additivity < _ADDITIVE:
        share = f"{max(one.atoms.additivity, 0.0):.0%}"
        render.line(f"Its groups do not add up well: they give back {share} of what hiding atoms changes")
    if abs(one.atoms.remembered) >= _WORTH_TELLING:
        render.line(
            f"Beside its atoms, earlier measurements of this very compound add {one.atoms.remembered:+.2f}"
        )
    render.line()
    if carriers is not None:
        render.line(f"{one.atoms.smiles}: labelled compounds that carry its prediction")
        columns = ["labelled", "label", "similarity", "influence"]
        part = carriers[carriers["compound"] == one.atoms.smiles]
        rows = [[_cell(row[name]) for name in columns] for _, row in part.iterrows()]
        if predictor.support.target.kind == "classification":
            rows = [[a, "active" if float(b) > 0.5 else "inactive", *rest] for a, b, *rest in rows]
        render.table(columns, rows)
        render.line()


def _show_words(predictor: Predictor, prior: str) -> None:
    from molmeta.explain.captions import explained_quantity

    render.line(
        f"contribution: to {explained_quantity(predictor)}, which falls by about that without the group"
    )
    render.line(prior or "influence: the prediction minus that without the labelled compound")


def _show_relatives(predictor: Predictor, relatives: pd.DataFrame | None, without: str) -> None:
    if relatives is None:
        render.line(f"No training assays to compare with: {without}")
        return
    render.line(f"Training assays that order the {predictor.report.n} labelled compounds alike")
    rows = [[_cell(value) for value in row] for row in relatives.itertuples(index=False)]
    render.table(list(relatives.columns), rows)
    render.line("chance: that shuffled labels agree as well with any training assay at all")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.2f}"
    return str(value)
