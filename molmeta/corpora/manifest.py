"""`Manifest`: what a corpus was made of, by what, and what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.contents import FORMAT, MANIFEST
from molmeta.corpora.losses import Losses
from molmeta.errors import InputError


@dataclass(frozen=True)
class Manifest:
    """The file manifest.json of a corpus. It has no date and no path: equal inputs give equal bytes.

    Attributes
    ----------
    format : int
        Of the folder; a newer one than that of this version cannot be read.
    source : dict
        Name, kind, number and size of the files, and a hash of them; of ChEMBL the release.
    versions : dict of str to str
        Of molmeta and RDKit.
    config : dict
        With all defaults; the same as in corpus.toml.
    counts : dict of str to int
        rows (of the source), measurements, assays, compounds, targets, and assays by fold.
    left_out : dict
        What is not in the corpus, and why: `molmeta.corpora.losses.Losses.to_json`.
    overlap : list of dict
        What folds have in common: `molmeta.corpora.overlap.fold_overlap`.
    """

    format: int
    source: dict[str, Any]
    versions: dict[str, str]
    config: dict[str, Any]
    counts: dict[str, Any]
    left_out: dict[str, Any]
    overlap: list[dict[str, Any]]

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()


def manifest_of(
    source: Mapping[str, Any],
    config: CorpusConfig,
    losses: Losses,
    rows: int,
    assays: pd.DataFrame,
    compounds: int,
) -> Manifest:
    """The manifest of a corpus that this version just made, whose folds were not compared yet."""
    folds = {str(name): int(n) for name, n in assays["role"].value_counts().sort_index().items()}
    return Manifest(
        format=FORMAT,
        source=dict(source),
        versions={name: version(name) for name in ("molmeta", "rdkit")},
        config=config.model_dump(mode="json"),
        counts={
            "rows": rows,
            "measurements": int(assays["compounds"].sum()),
            "assays": len(assays),
            "compounds": compounds,
            "targets": int(assays["target_id"].nunique()),
            "folds": folds,
        },
        left_out=losses.to_json(),
        overlap=[],
    )


def is_corpus(folder: Path) -> bool:
    """Whether a folder holds a corpus."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a corpus.

    Raises
    ------
    InputError
        There is none, it is damaged, or it is of a newer format.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**content)
    except OSError as error:
        raise InputError(
            f"{folder} is no corpus: it has no {MANIFEST}; make one by molmeta corpus build"
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged ({error}); build the corpus again") from error
    if manifest.format > FORMAT:
        raise InputError(
            f"{folder} has format {manifest.format}, and this molmeta reads {FORMAT}; use molmeta "
            f"{manifest.versions.get('molmeta')} or newer"
        )
    return manifest
