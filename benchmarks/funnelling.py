"""What a worker of `fuzz.py` does: mutated SMILES through the funnel, and laws for what passes it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import torch
from rdkit import Chem

from molmeta.chem.batch import Graphs, MolBatch
from molmeta.chem.features import FIELDS, featurize
from molmeta.chem.graph import ATOM_SIZES
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.rows import Rows, read_rows
from molmeta.chem.smiles import read_many
from molmeta.scoring.workers import Faults, Watch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "hostile"))
from mutation import mutant

NEEDS = frozenset(FIELDS)  # of every model there is, and of more
BLOCK = 1000
_SLOW = 0.05  # seconds of the features of 32 compounds, from which on each is timed by itself
_KEPT = 5
_TOGETHER = 32
_PLACES = 32 ** np.arange(len(ATOM_SIZES))  # that make one number of the features of an atom
_MAY_STAY = {"above_900_da", "unseen_element", "standardize_failed"}


@dataclass(frozen=True)
class Block:
    """Texts `number * BLOCK` to `number * BLOCK + count` of a run."""

    number: int
    count: int
    seed: int


@dataclass
class Found:
    """What became of a block: rows by status, the slowest (seconds, status, text), broken laws."""

    status: Counter[str]
    slowest: list[tuple[float, str, str]]
    broken: list[tuple[str, str, str]] = field(default_factory=list)
    checked: int = 0


def texts(block: Block, seeds: Sequence[str]) -> list[str]:
    """The same ones on every machine."""
    draws = Random(f"{block.seed}-{block.number}")
    return [mutant(draws, seeds) for _ in range(block.count)]


@dataclass(frozen=True)
class Fuzz:
    """Reads and featurizes blocks as `molmeta score` does, and holds what it accepts to the laws.

    Attributes
    ----------
    seeds : tuple of str
        What is mutated.
    respelled : int
        Other spellings of each compound that is held to the laws, which must give the same.
    every : int
        Of the accepted compounds, one in so many is held to the laws.
    """

    seeds: tuple[str, ...]
    respelled: int = 1
    every: int = 1

    def __call__(self, job: Block, faults: Faults, watch: Watch) -> Found:
        rows = texts(job, self.seeds)
        clock = _Clock(watch)
        read = read_rows(rows, NEEDS, refused=faults.lost, suspects=faults.suspects, watch=clock)
        clock(0, 0)
        found = Found(Counter(read.status), slowest(rows, read, clock))
        if len(read) != len(rows) or read.mols.n != read.status.count("ok"):
            found.broken.append(("a row for each row", f"block {job.number}", f"{len(read)}, {read.mols.n}"))
        for at, status in enumerate(read.status):
            if status == "crashed" and at not in faults.lost:
                found.broken.append(("no failure of RDKit", rows[at], read_many(1, [rows[at]])[0].detail))
        accepted = [at for at, status in enumerate(read.status) if status == "ok"][:: self.every]
        found.checked = len(accepted)
        size = 1 if faults.suspects else _TOGETHER
        for some in (accepted[i : i + size] for i in range(0, len(accepted), size)):
            watch(some[0], some[-1] + 1)
            found.broken += broken([rows[at] for at in some], self.respelled, job.seed + some[0])
        return found


class _Clock:
    """Tells on what it is told, and notes the processor time that went by until the next word.

    Not that on the wall, to which others add what else the machine does.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.spent: list[tuple[int, int, float]] = []
        self._last = (0, 0, time.process_time())

    def __call__(self, start: int, stop: int) -> None:
        now = time.process_time()
        first, last, began = self._last
        self.spent.append((first, last, now - began))
        self._last = (start, stop, now)
        self._watch(start, stop)


def slowest(rows: Sequence[str], read: Rows, clock: _Clock) -> list[tuple[float, str, str]]:
    """Seconds of the slowest rows, of reading and, where a block of features took long, of features."""
    seconds = [0.0] * len(rows)
    for start, stop, spent in clock.spent:
        if stop - start == 1:
            seconds[start] += spent
        elif spent > _SLOW:
            for at in range(start, stop):
                seconds[at] += _features_of(rows[at])
    order = sorted(range(len(rows)), key=seconds.__getitem__, reverse=True)
    return [(seconds[at], read.status[at], rows[at]) for at in order[:_KEPT]]


def _features_of(text: str) -> float:
    found = [one for one in read_many(1, [text]) if isinstance(one, Molecule)]
    began = time.process_time()
    featurize(found, NEEDS)
    return time.process_time() - began


def broken(rows: Sequence[str], respelled: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """The laws of accepted structures that they break: law, structure, and what was seen."""
    own = [one for one in read_many(1, rows) if isinstance(one, Molecule)]
    if len(own) < len(rows):
        yield "what is accepted once is accepted twice", str(rows), ""
        return
    features = featurize(own, NEEDS)
    finite = torch.isfinite(features.need("descriptors")).all(1).tolist()
    yield from (("descriptors are numbers", rows[i], "") for i, each in enumerate(finite) if not each)
    parents = read_many(1, [one.smiles for one in own])
    for text, one, again in zip(rows, own, parents, strict=True):
        if isinstance(again, Molecule) and set(again.flags) - _MAY_STAY:
            yield "nothing is left to do to a parent", text, f"{one.smiles} {again.flags}"
    pairs = [(i, again, f"parent {own[i].smiles}") for i, again in enumerate(parents)]
    for i, text in enumerate(rows):
        others = spellings(text, respelled, seed + i)
        found = read_many(1, others)
        pairs += [(i, other, spelling) for other, spelling in zip(found, others, strict=True)]
    yield from _alike(rows, own, features, pairs)


def _alike(
    rows: Sequence[str],
    own: Sequence[Molecule],
    features: MolBatch,
    pairs: Sequence[tuple[int, Molecule | Rejection, str]],
) -> Iterator[tuple[str, str, str]]:
    """Whether other spellings (of which row, as read, as written) are read as the same compound."""
    for i, other, spelling in pairs:
        if isinstance(other, Rejection):
            yield "every spelling can be read", rows[i], f"{spelling}: {other.reason}, {other.detail}"
        elif other.smiles != own[i].smiles:
            yield "one SMILES for all spellings", rows[i], f"{spelling}: {own[i].smiles} {other.smiles}"
    same = [one for one in pairs if isinstance(one[1], Molecule)]
    index = torch.tensor([i for i, _, _ in same], dtype=torch.long)
    others = featurize([other for _, other, _ in same if isinstance(other, Molecule)], NEEDS)
    wrong: dict[str, list[bool]] = {
        name: (features.need(name)[index] != others.need(name)).any(1).tolist()
        for name in ("counts", "pairs")
    }
    near = torch.isclose(
        features.need("descriptors")[index], others.need("descriptors"), rtol=1e-5, atol=1e-5
    )
    wrong["descriptors"] = (~near.all(1)).tolist()
    assert features.graph is not None
    assert others.graph is not None
    wrong["graph"] = [not _same_graph(features.graph, i, others.graph, j) for j, (i, _, _) in enumerate(same)]
    for name, each in wrong.items():
        for (i, _, spelling), differs in zip(same, each, strict=True):
            if differs:
                yield f"the same {name} for all spellings", rows[i], spelling


def spellings(text: str, number: int, seed: int) -> list[str]:
    """Other SMILES of what RDKit reads, which does not write one for everything."""
    mol = Chem.MolFromSmiles(text.split("|")[0].strip(" \t\r\n\f\v\ufeff\xa0"))
    if mol is None:  # mended while it was read
        return []
    found = Chem.MolToRandomSmilesVect(mol, number, randomSeed=seed % 2**31)
    return [spelling for spelling in found if len(spelling) <= 2000]


def _same_graph(one: Graphs, i: int, other: Graphs, j: int) -> bool:
    """Whether two graphs of a compound have the same atoms, and bonds between such atoms, in any order."""
    return all(np.array_equal(a, b) for a, b in zip(_sorted(one, i), _sorted(other, j), strict=True))


def _sorted(graph: Graphs, i: int) -> tuple[np.ndarray, np.ndarray]:
    atoms = graph.atoms[graph.atom_ptr[i] : graph.atom_ptr[i + 1]].numpy().astype(np.int64)
    some = slice(int(graph.bond_ptr[i]), int(graph.bond_ptr[i + 1]))
    kinds = atoms @ _PLACES
    between = np.sort(kinds[graph.ends[some].numpy()], axis=1)
    rows = np.concatenate([between, graph.bonds[some].numpy()], axis=1)
    return np.sort(kinds), rows[np.lexsort(rows.T)]
