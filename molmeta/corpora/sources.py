"""The kinds of sources, how they are told apart, and what identifies one."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmeta.corpora.assayfiles import stage_files
from molmeta.corpora.chembl import release, stage_chembl
from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.longtable import stage_table
from molmeta.corpora.losses import Losses
from molmeta.corpora.staging import Staging
from molmeta.corpora.tasks import stage_fsmol_table, stage_tasks
from molmeta.data.collection import assay_files, task_files
from molmeta.data.identity import fingerprint
from molmeta.errors import InputError

_SQLITE = b"SQLite format 3\0"
_FSMOL = {"assay", "smiles", "label", "value", "p_value", "relation"}


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes
    ----------
    what : str
        In words.
    stage : callable
        Stages a source and returns its number of rows.
    faults : frozenset of str
        Those that sources of this kind are known for, and that are left out by default.
    """

    what: str
    stage: Callable[[Path, CorpusConfig, Staging, Losses], int]
    faults: frozenset[str] = frozenset()


CHEMBL = Kind("a ChEMBL release", stage_chembl, frozenset(["units", "scale", "duplicates"]))
TASKS = Kind("a folder of FS-Mol task files", stage_tasks, frozenset(["duplicates"]))
FSMOL = Kind("an FS-Mol table", stage_fsmol_table, frozenset(["duplicates"]))
FILES = Kind("a folder of assay files", stage_files)
TABLE = Kind("a long table", stage_table)


def kind_of_source(source: Path) -> Kind:
    """What a source is, by its content.

    Raises
    ------
    InputError
        It is not there, or nothing that a corpus is made of.
    """
    if not source.exists():
        raise InputError(f"no such file or folder: {source}")
    if source.is_dir():
        if task_files(source):
            return TASKS
        if assay_files(source):
            return FILES
        raise InputError(
            f"{source} holds neither tables (one an assay) nor *.jsonl.gz of FS-Mol; give a folder of these, "
            "a long table, or the SQLite file of a ChEMBL release"
        )
    with source.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(_SQLITE):
        return CHEMBL
    if head[257:262] == b"ustar" or source.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise InputError(f"{source.name} is an archive; unpack it, and give the .db or the folder in it")
    return FSMOL if _header(source, head) >= _FSMOL else TABLE


def _header(source: Path, head: bytes) -> set[str]:
    """Columns of a comma-separated file, which FS-Mol tables are."""
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(source, "rb") as stream:
                head = stream.read(512)
        except (OSError, EOFError):
            return set()
    return set(head.split(b"\n")[0].decode("utf-8", "replace").strip().split(","))


def files_of_source(source: Path, kind: Kind) -> list[Path]:
    """The files that a source consists of."""
    if kind is TASKS:
        return task_files(source)
    return assay_files(source) if kind is FILES else [source]


def identity_of(source: Path, kind: Kind) -> dict[str, Any]:
    """What a manifest says of a source: its name, and size and hash of its files."""
    total, size = hashlib.sha256(), 0
    files = files_of_source(source, kind)
    for file in files:
        print_ = fingerprint(file)
        size += print_["bytes"]
        total.update(f"{file.name} {print_['bytes']} {print_['sha256']}\n".encode())
    found = {"name": source.resolve().name, "kind": kind.what, "files": len(files), "bytes": size}
    if kind is CHEMBL:
        found["release"] = release(source)
    return found | {"sha256": total.hexdigest()}
