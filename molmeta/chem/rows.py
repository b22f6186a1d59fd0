"""Rows of text to features, where no single compound can cost the others theirs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.chem.batch import MolBatch, concatenate
from molmeta.chem.features import compound_hash, featurize
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.sketch import sketches
from molmeta.chem.smiles import read_many

# Rows that are featurized together: few enough that their molecules stay in the processor's cache, and are
# gone before Python looks for garbage. Where one of them kills its process, a block is done again one by one.
_BLOCK = 32

# Is told the positions start:stop of the rows that are about to be worked on.
Watch = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Rows:
    """What reading made of n rows; no object of RDKit is among it, so that it passes between processes.

    Attributes
    ----------
    status : list of str
        "ok", or the reason code of a rejection (`molmeta.chem.smiles.REASONS`).
    smiles : list of str or None
        Canonical SMILES of the parent; None where the row is rejected, or its SMILES was not wanted.
    mols : MolBatch
        Features of the rows that are ok, in order.
    """

    status: list[str]
    smiles: list[str | None]
    mols: MolBatch

    def __len__(self) -> int:
        return len(self.status)


def read_rows(
    cells: Sequence[object],
    needs: Collection[str],
    *,
    known: NDArray[np.int32] | None = None,
    refused: Mapping[int, str] | None = None,
    suspects: Sequence[tuple[int, int]] = (),
    watch: Watch = lambda start, stop: None,
) -> Rows:
    """Reads and featurizes structures.

    Parameters
    ----------
    cells : sequence of str
    needs : collection of str
        Features, as in `molmeta.chem.features.FIELDS`.
    known : int32[k] or None
        Sorted sketches of the compounds whose canonical SMILES and identity are wanted, where those of the
        others are not, whose identity becomes 0. The counts must be among the needs. With None all are.
    refused : mapping of int to str
        Reason codes of rows, by position, that are known to be bad and are not looked at.
    suspects : sequence of (start, stop)
        Positions that are done one at a time.
    watch : callable
        Called before rows start:stop are worked on, so that others know whom to blame.
    """
    refused = refused or {}
    status: list[str] = []
    smiles: list[str | None] = []
    parts: list[MolBatch] = []
    for start, stop in _blocks(len(cells), suspects):
        found = read_many(start, _told(cells, range(start, stop), refused, watch))
        found = [Rejection(one.row, "", refused[one.row]) if one.row in refused else one for one in found]
        watch(start, stop)
        found, mols, names = features_of(found, needs, known)
        status += ["ok" if isinstance(one, Molecule) else one.reason for one in found]
        named = iter(names)
        smiles += [next(named) if isinstance(one, Molecule) else None for one in found]
        parts.append(mols)
    return Rows(status, smiles, concatenate(parts) if parts else featurize([], needs))


def _told(cells: Sequence[object], rows: range, refused: Collection[int], watch: Watch) -> Iterator[object]:
    """The cells of rows, each after it was told that it comes; nothing of those that are refused."""
    for at in rows:
        if at in refused:
            yield ""
        else:
            watch(at, at + 1)
            yield cells[at]


def _blocks(n: int, suspects: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Borders of the blocks of n rows; suspects are blocks of their own."""
    alone = {at for start, stop in suspects for at in range(start, stop)}
    cuts = {*range(0, n, _BLOCK), *alone, *(at + 1 for at in alone if at + 1 < n)}
    borders = sorted({*cuts, n}) if n else []
    yield from itertools.pairwise(borders)


def features_of(
    found: Sequence[Molecule | Rejection], needs: Collection[str], known: NDArray[np.int32] | None = None
) -> tuple[list[Molecule | Rejection], MolBatch, list[str | None]]:
    """Features and canonical SMILES of the molecules among `found`; one that RDKit fails on becomes a
    rejection. `known` as in `read_rows`."""
    try:
        return list(found), *_features(found, needs, known)
    except Exception:  # RDKit raises many types; one compound must not cost the others
        checked = [one if isinstance(one, Rejection) else _featurizable(one, needs) for one in found]
        return checked, *_features(checked, needs, known)


def _features(
    found: Sequence[Molecule | Rejection], needs: Collection[str], known: NDArray[np.int32] | None
) -> tuple[MolBatch, list[str | None]]:
    molecules = [one for one in found if isinstance(one, Molecule)]
    if known is None:
        return featurize(molecules, needs), [one.smiles for one in molecules]
    mols = featurize(molecules, {*needs} - {"identity"})
    wanted = _among(sketches(mols.need("counts")).numpy(), known)
    smiles = [one.smiles if each else None for one, each in zip(molecules, wanted, strict=True)]
    if "identity" in needs:
        hashes = [0 if one is None else compound_hash(one) for one in smiles]
        mols = replace(mols, identity=torch.tensor(hashes, dtype=torch.long))
    return mols, smiles


def _among(values: NDArray[np.int32], known: NDArray[np.int32]) -> list[bool]:
    """Whether each value is one of `known`, which are sorted; `numpy.isin` would go through all of these."""
    if not len(known):
        return [False] * len(values)
    at = np.searchsorted(known, values).clip(max=len(known) - 1)
    found: list[bool] = (known[at] == values).tolist()
    return found


def _featurizable(molecule: Molecule, needs: Collection[str]) -> Molecule | Rejection:
    try:
        featurize([molecule], {*needs, "identity"})  # with the SMILES
    except Exception as error:
        return Rejection(molecule.row, "", "crashed", f"no features: {error}"[:200])
    return molecule
