"""`write_report`: a model, and a library if there is one, to one HTML file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd

from molmeta.data.library import read_library
from molmeta.errors import RefusedError
from molmeta.files import write_whole
from molmeta.pages import environment
from molmeta.plotting import load_matplotlib
from molmeta.predictor import Predictor
from molmeta.report.content import Content, content_of
from molmeta.report.ranking import rank

MOST = 24  # compounds of a library that are shown
_FOLDER = Path(__file__).parent


def write_report(
    predictor: Predictor,
    path: str | Path,
    library: str | Path | None = None,
    *,
    most: int = MOST,
    workers: int = 0,
    force: bool = False,
) -> Content:
    """Writes what a model is worth, and why, into one HTML file that needs nothing else.

    Parameters
    ----------
    predictor : Predictor
        With labelled compounds.
    path : str or Path
        The file, which appears whole or not at all.
    library : str, Path or None
        A library to show the best compounds of.
    most : int
        How many.
    workers : int
        Processes that read structures (`molmeta.scoring.engines.Local`).
    force : bool
        Replace a file that is there.

    Raises
    ------
    ConfigError
        jinja2 or matplotlib is not installed.
    NotEnoughData
        The model has no labelled compounds.
    InputError
        The library cannot be read.
    RefusedError
        The file exists.
    """
    path = Path(path)
    if path.exists() and not force:
        raise RefusedError(f"{path} exists; give another name (-o) or --force")
    load_matplotlib("a report", "report")
    page = environment(_FOLDER).get_template("report.html")
    ranking = names = None
    if library is not None:
        ranking = rank(predictor, library, Path(library).name, most, workers)
        names = _names(library, ranking.best)
    content = content_of(predictor, ranking, names)
    values = {field.name: getattr(content, field.name) for field in fields(content)}
    write_whole(path, page.render(values).encode("utf-8", "backslashreplace"))
    return content


def _names(library: str | Path, best: pd.DataFrame) -> list[str]:
    """Identifiers of a library's compounds, or their SMILES."""
    opened = read_library(library)
    if opened.id_column is None or best.empty:
        return [str(smiles) for smiles in best.get("mm_smiles", ())]
    own = best.iloc[:, opened.id_column]
    return [str(name) or str(smiles) for name, smiles in zip(own, best["mm_smiles"], strict=True)]
