"""Structures in worker processes: texts to canonical parents, and parents to features and scaffolds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from molmeta.chem.batch import to_tensors
from molmeta.chem.rows import read_rows
from molmeta.corpora.packing import pack
from molmeta.data.split import scaffold
from molmeta.scoring.serving import Faults, Watch, Work, silent
from molmeta.scoring.workers import Workers

PART = 2048  # structures a job
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parents:
    """What became of n texts: the canonical SMILES of the parent, or None; and a reason code, or "ok"."""

    smiles: list[str | None]
    status: list[str]


@dataclass(frozen=True)
class Described:
    """Features of the compounds that are "ok" as plain arrays, and the scaffold of each."""

    arrays: dict[str, NDArray[Any]]
    scaffolds: list[str]
    status: list[str]


class FindParents:
    """Reads texts, for `molmeta.scoring.workers.Workers`."""

    def __call__(self, job: Sequence[str], faults: Faults, watch: Watch) -> Parents:
        rows = read_rows(job, (), refused=faults.lost, suspects=faults.suspects, watch=watch)
        return Parents(rows.smiles, rows.status)


@dataclass(frozen=True)
class Describe:
    """Featurizes canonical SMILES of parents, for `molmeta.scoring.workers.Workers`."""

    needs: frozenset[str]

    def __call__(self, job: Sequence[str], faults: Faults, watch: Watch) -> Described:
        rows = read_rows(job, self.needs, refused=faults.lost, suspects=faults.suspects, watch=watch)
        arrays = {name: tensor.numpy() for name, tensor in pack(to_tensors(rows.mols)).items()}
        return Described(arrays, _scaffolds(job, faults, watch), rows.status)


def _scaffolds(job: Sequence[str], faults: Faults, watch: Watch) -> list[str]:
    """Scaffold of each compound; one without, or whose scaffold RDKit cannot make, is its own."""
    found = []
    for i, smiles in enumerate(job):
        text = ""
        if i not in faults.lost:
            watch(i, i + 1)
            with suppress(Exception):  # RDKit raises many types; a scaffold is only there to group by
                text = scaffold(smiles)
        found.append(text or smiles)
    return found


def run(
    work: Work[Sequence[str], Result], jobs: Iterable[Sequence[str]], workers: int
) -> Iterator[tuple[Sequence[str], Result]]:
    """Each job with its result, in order, by worker processes; in this one, if there are to be none."""
    if workers == 0:
        yield from ((job, work(job, Faults(), silent)) for job in jobs)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(Workers(work, workers))
        yield from pool.map(jobs)
