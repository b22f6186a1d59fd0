"""Splits of assays by target, and of compounds by scaffold: no group is on both sides."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

from molmeta.errors import ConfigError


def split_assays(assays: pd.DataFrame, share: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Assays to keep and assays to hold out, no target on both sides.

    Parameters
    ----------
    assays : DataFrame
        `Corpus.assays`. Its column "target_id", if there is one, groups the assays; an assay of unknown
        target is a group of its own.
    share : float
        Share of the assays to hold out, in (0, 1). At most one target more than needed is held out.
    seed : int

    Raises
    ------
    ConfigError
        The share is not between 0 and 1.
    """
    names = [str(name) for name in assays.index]
    targets = assays["target_id"].tolist() if "target_id" in assays else [None] * len(names)
    groups = [name if pd.isna(target) else target for name, target in zip(names, targets, strict=True)]
    held = _hold_out(groups, share, seed)
    return (
        [name for name, out in zip(names, held, strict=True) if not out],
        [name for name, out in zip(names, held, strict=True) if out],
    )


def split_scaffolds(
    smiles: Sequence[str], share: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the compounds to keep and to hold out, no Bemis-Murcko scaffold on both sides.

    Parameters
    ----------
    smiles : sequence of str
        Canonical SMILES. A compound without rings is a group of its own.
    share, seed
        As in `split_assays`.

    Source: Bemis and Murcko 1996, The properties of known drugs 1.
    """
    groups = [scaffold(text) or text for text in smiles]
    held = _hold_out(groups, share, seed)
    return np.flatnonzero(~held), np.flatnonzero(held)


def scaffold(smiles: str) -> str:
    """Canonical SMILES of the ring systems and their linkers, without stereo; "" if there is no ring."""
    return str(MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(smiles)))  # type: ignore[no-untyped-call]


def _hold_out(groups: Sequence[Hashable], share: float, seed: int) -> NDArray[np.bool_]:
    """bool[n]: whole groups in random order until they hold `share` of the n members."""
    if not 0 < share < 1:
        raise ConfigError(f"found share = {share}; the share to hold out is between 0 and 1")
    code, unique = pd.factorize(np.array(groups, dtype=object))
    sizes = np.bincount(code, minlength=len(unique))
    order = np.random.default_rng(seed).permutation(len(unique))
    before = np.cumsum(sizes[order]) - sizes[order]
    held: NDArray[np.bool_] = np.isin(code, order[before < share * len(code)])
    return held
