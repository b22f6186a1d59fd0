"""Many assays from wherever they are: FS-Mol tables, folders of task files, folders of assay files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molmeta.chem.batch import concatenate
from molmeta.data.assay import Assay
from molmeta.data.corpus import COLUMNS, Corpus, build_corpus
from molmeta.data.fsmol import read_fsmol
from molmeta.data.headers import is_p_scale
from molmeta.data.table import read_assay
from molmeta.errors import InputError, MolmetaError

# A list of SMILES is a library more often than an assay.
SUFFIXES = (".csv", ".tsv", ".sdf", ".parquet")
_SIGNS = {-1: "<", 0: "=", 1: ">"}


def read_corpus(source: Path, needs: Collection[str], workers: int = 1, roles: Sequence[str] = ()) -> Corpus:
    """The assays of an FS-Mol table, of a folder of FS-Mol task files, or of a folder of assay files.

    Parameters
    ----------
    source : Path
        As in `molmeta.data.fsmol.read_fsmol`, or a folder in which each table is an assay.
    needs : collection of str
        Features to compute.
    workers : int
        Processes that read the structures.
    roles : sequence of str
        Keep the assays with one of these roles; all, if empty. Files of assays have no role.

    Raises
    ------
    InputError
        Nothing is there, or it cannot be read; of a folder, the file is named.
    """
    if not source.is_dir() or task_files(source):
        return read_fsmol(source, needs, workers, roles)
    if roles:
        raise InputError(
            f"{source} is a folder of assay files, which have no role; found roles = {', '.join(roles)}: "
            "leave them out there, or give an FS-Mol table"
        )
    return read_files(source, needs, workers)


def files_of(source: Path) -> list[Path]:
    """The files that `read_corpus` reads."""
    return (task_files(source) or assay_files(source)) if source.is_dir() else [source]


def task_files(folder: Path) -> list[Path]:
    """Original task files of FS-Mol in a folder and its subfolders."""
    return sorted(folder.rglob("*.jsonl.gz"))


def assay_files(folder: Path) -> list[Path]:
    """Tables in a folder, by name; subfolders, hidden files and lists of SMILES are passed over."""
    plain = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in plain if file.name.lower().removesuffix(".gz").endswith(SUFFIXES))


def read_files(folder: Path, needs: Collection[str], workers: int = 1) -> Corpus:
    """A corpus of the assays in a folder, one a file, each read by `molmeta.data.table.read_assay`.

    Values become classes nearly as in FS-Mol: active is what is better than the median of its assay. Bounds
    that leave the class open are left out.

    Raises
    ------
    InputError
        There is no such file, one of them cannot be read, or two are called alike.

    Source: Stanley et al. 2021 (FS-Mol; its thresholds differ where a median is beyond 5 to 7).
    """
    files = assay_files(folder)
    if not files:
        raise InputError(
            f"{folder} holds no assay; wanted one table an assay ({' '.join(SUFFIXES)}, each also .gz), "
            "or *.jsonl.gz of FS-Mol"
        )
    assays = [_read(file) for file in files]
    names = pd.Index([assay.name for assay in assays], name="assay")
    if not names.is_unique:
        twice = names[names.duplicated()][0]
        raise InputError(f"{folder} holds two assays called '{twice}'; rename one of the files")
    described = pd.DataFrame(
        {
            "kind": [
                "pXC50" if is_potency(a) else "class" if a.target.kind == "classification" else "value"
                for a in assays
            ],
            "role": "",
            "kinase": pd.NA,
            "panel": pd.NA,
            "rows": [assay.n_rows for assay in assays],
        },
        index=names,
    )
    return build_corpus(pd.concat([long_rows(assay) for assay in assays]), described, needs, workers)


def _read(file: Path) -> Assay:
    try:
        return read_assay(file)
    except MolmetaError as error:
        # The message names the file already where it is about its content.
        where = "" if file.name in str(error) else f"{file.name}: "
        raise InputError(
            f"{where}{error} (molmeta check {file} shows how it is read; files of a folder are read without "
            "options, so leave only the columns in it that are meant)"
        ) from error


def is_potency(assay: Assay) -> bool:
    """Whether its values are concentrations, or negative logarithms of these."""
    return assay.target.is_concentration or is_p_scale(assay.target.unit)


def long_rows(assay: Assay) -> pd.DataFrame:
    """One row a compound, with the columns `molmeta.data.corpus.COLUMNS`."""
    y, relation = assay.values, assay.relations
    if assay.target.kind == "regression" and not assay.target.higher_is_better:
        y, relation = -y, -relation  # never potencies, of which the values themselves are kept
    active = y > 0.5 if assay.target.kind == "classification" else _above(y)
    # "<" below the median and ">" above it say the class; else the true value may be on either side.
    settled = (relation == 0) | ((relation > 0) == active)
    table = pd.DataFrame(
        {
            "assay": assay.name,
            "smiles": [molecule.smiles for molecule in assay.molecules],
            "label": active.astype(np.float64),
            "p_value": y if is_potency(assay) else np.nan,
            "relation": [_SIGNS[int(sign)] for sign in relation],
        }
    )
    chosen: pd.DataFrame = table.loc[settled, list(COLUMNS)]
    return chosen


def _above(y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool[n]: which of the values float64[n] count as active; both classes occur, unless all are alike."""
    middle = np.median(y)
    active: NDArray[np.bool_] = y > middle
    return active if active.any() else y >= middle


def join(first: Corpus, second: Corpus) -> Corpus:
    """The assays of both, those of the first before the others; a compound of both stands there twice.

    Raises
    ------
    InputError
        An assay of one is called like one of the other.
    """
    twice = first.assays.index.intersection(second.assays.index)
    if len(twice):
        raise InputError(
            f"{len(twice)} assays are on both sides, '{twice[0]}' among them; leave them out of one, or "
            "rename them"
        )
    moved = np.where(second.mol >= 0, second.mol + len(first.smiles), -1)
    return Corpus(
        mols=concatenate([first.mols, second.mols]),
        smiles=first.smiles + second.smiles,
        assays=pd.concat([first.assays, second.assays]),
        assay=np.concatenate([first.assay, second.assay + len(first)]),
        mol=np.concatenate([first.mol, moved]),
        label=np.concatenate([first.label, second.label]),
        value=np.concatenate([first.value, second.value]),
        relation=np.concatenate([first.relation, second.relation]),
        rejected=first.rejected + second.rejected,
    )
