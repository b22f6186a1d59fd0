"""Count fingerprints without their zeros, and their similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from molmeta.chem.batch import Kept
from molmeta.lazy import lazy

_TABLE = 2**24  # numbers in one table of `tanimoto`


@dataclass(frozen=True, eq=False)
class Sparse:
    """The counts of n compounds that are not zero, one compound after the other.

    Attributes
    ----------
    ptr : int64[n + 1]
        Counts of compound i are ptr[i] to ptr[i + 1].
    column : int64[k]
        Which substructure each of them is of.
    value : uint8[k]
    """

    ptr: Tensor
    column: Tensor
    value: Tensor

    @lazy
    def total(self) -> Tensor:
        """float32[n]: sum of the counts of each compound."""
        until = functional.pad(self.value.cumsum(0), (1, 0))
        return until.index_select(0, self.ptr).diff().float()

    def look_up(self, table: Tensor, rows: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """float32[n, w]: sum, over the counts of each compound, of rows of table float32[r, w].

        Rows are the columns of the counts, or those named in rows int64[k]; weight float32[k] are factors.
        """
        rows = self.column if rows is None else rows
        return functional.embedding_bag(
            rows, table, self.ptr, mode="sum", per_sample_weights=weight, include_last_offset=True
        )


@Kept
def sparse(counts: Tensor) -> Sparse:
    """Counts uint8[n, d] without their zeros."""
    n, d = counts.shape
    at = _nonzero(counts.contiguous())
    ptr = torch.searchsorted(at, d * torch.arange(n + 1, device=at.device))
    return Sparse(ptr, at % d, counts.flatten().index_select(0, at))


def _nonzero(counts: Tensor) -> Tensor:
    """int64[k]: where counts [n, d], as one long row, are not zero."""
    if counts.device.type != "cpu" or counts.dtype != torch.uint8 or counts.shape[1] % 8:
        return counts.flatten().nonzero().squeeze(1)
    # Most groups of eight counts are empty; so this takes a quarter of the time.
    eights = counts.numpy().reshape(-1).view(np.int64)
    full = np.flatnonzero(eights != 0)
    within = np.flatnonzero(eights.take(full).view(np.uint8) != 0)
    return torch.from_numpy((full.take(within >> 3) << 3) + (within & 7))


def tanimoto(a: Tensor, b: Tensor) -> Tensor:
    """Min-max (count Tanimoto) similarity of counts a uint8[n, d] and b uint8[m, d]: float32[n, m].

    sum(min) / sum(max) over the d counts; 1 for identical counts, and for two empty ones.
    Source: Ralaivola et al. 2005 (min-max kernel); it is positive semidefinite.

    min(x, y) of a count x that occurs and of all y of its column is a row of a table, so that sum(min) is a
    sum of few rows.

    >>> tanimoto(torch.tensor([[2, 1, 0]]), torch.tensor([[1, 1, 1], [2, 1, 0]])).tolist()
    [[0.5, 1.0]]
    """
    if not b.numel():
        return torch.ones(len(a), len(b), device=a.device)
    # Compounds as large as proteins have so many counts that the table would take a gigabyte.
    size = max(1, _TABLE // (1 + int(b.amax(0).sum())))
    if len(b) > size:
        return torch.cat([tanimoto(a, part) for part in torch.split(b, size)], 1)
    counts, (most, start, table) = sparse(a), _levels(b)
    level = torch.minimum(counts.value, most.index_select(0, counts.column))
    smaller = counts.look_up(table, start.index_select(0, counts.column) + level)
    return _ratio(smaller, counts.total, sparse(b).total)


@Kept
def _levels(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest count uint8[d] of each column of counts uint8[m, d]; and rows min(x, counts) float32[r, m]
    of a table for each x up to it, of which that for x = 0 is at int64[d]."""
    most = counts.amax(0)
    column = torch.repeat_interleave(most.int())
    before = most.cumsum(0) - most
    level = torch.arange(1, len(column) + 1, device=counts.device) - before.index_select(0, column)
    rows = torch.minimum(counts.T.contiguous().index_select(0, column), level.to(counts.dtype)[:, None])
    # Columns without a count share the first row; the others have none for x = 0.
    return most, torch.where(most > 0, before, 0), functional.pad(rows.float(), (0, 0, 1, 0))


def jaccard(a: Tensor, b: Tensor) -> Tensor:
    """Share float32[n, m] of the substructures of two compounds that both have, from counts as `tanimoto`.

    >>> jaccard(torch.tensor([[2, 1, 0]]), torch.tensor([[1, 1, 0], [2, 0, 0]])).tolist()
    [[1.0, 0.5]]
    """
    counts = sparse(a)
    return _ratio(counts.look_up(_present(b)), counts.ptr.diff().float(), sparse(b).ptr.diff())


@Kept
def _present(counts: Tensor) -> Tensor:
    """float32[d, m]: 1 where one of the m compounds has a substructure."""
    return (counts > 0).float().T.contiguous()


def _ratio(smaller: Tensor, total_a: Tensor, total_b: Tensor) -> Tensor:
    """sum(min) / sum(max) float32[n, m], in the place of sum(min), from both sums; 1 where all are 0."""
    larger = (total_a[:, None] + total_b).sub_(smaller)
    return smaller.div_(larger).nan_to_num_(1.0)
