"""What earlier assays measured of each compound: its history, and the panels that labs measure again.

A panel is a set of compounds that many assays measured (kinase profiling sets, for one). A new assay of
such a panel is far from new: its compounds have been seen to go together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

OVERLAP = 0.3
FEWEST_ASSAYS = 8


@dataclass(frozen=True, eq=False)
class Panel:
    """Labels of m compounds in a assays, minus the mean label of each assay.

    Attributes
    ----------
    identity : int64[m]
    label : float64[a, m]
        From -1..+1 labels; nan where the compound was not measured.
    """

    identity: NDArray[np.int64]
    label: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """r labels of c compounds in earlier assays.

    Attributes
    ----------
    identity : int64[c]
        `molmeta.chem.features.compound_hash` of each compound.
    compound, assay : int64[r]
        Of each label: row of `identity`, and number of the assay.
    label : float32[r]
        0 or 1.
    value : float32[r]
        Standardized within the assay where it is one of potencies, else nan.
    """

    identity: NDArray[np.int64]
    compound: NDArray[np.int64]
    assay: NDArray[np.int64]
    label: NDArray[np.float32]
    value: NDArray[np.float32]

    @cached_property
    def n_assays(self) -> int:
        return int(self.assay.max(initial=-1)) + 1

    @cached_property
    def centred(self) -> NDArray[np.float64]:
        """float64[r]: labels -1 and +1, minus the mean of their assay."""
        y = 2.0 * self.label - 1.0
        sizes = np.maximum(np.bincount(self.assay, minlength=self.n_assays), 1)
        return y - (np.bincount(self.assay, y, self.n_assays) / sizes)[self.assay]

    @cached_property
    def _family(self) -> NDArray[np.int64]:
        """int64[a]: assays with the same number share compounds, directly or through others."""
        shape = (self.n_assays, len(self.identity))
        measured = csr_matrix((np.ones(len(self.assay)), (self.assay, self.compound)), shape=shape)
        measured.sum_duplicates()
        measured.data[:] = 1.0
        size = np.asarray(measured.sum(axis=1)).ravel()
        shared = (measured @ measured.T).tocoo()
        union = size[shared.row] + size[shared.col] - shared.data
        near = shared.data >= OVERLAP * union
        links = csr_matrix((shared.data[near], (shared.row[near], shared.col[near])), shape=shared.shape)
        return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)

    @cached_property
    def _panels(self) -> NDArray[np.int64]:
        """Numbers of the families that are panels, the one with the most assays first."""
        sizes = np.bincount(self._family, minlength=1)
        order = np.argsort(-sizes, kind="stable")
        return order[sizes[order] >= FEWEST_ASSAYS]

    def panels(self) -> Iterator[Panel]:
        """Sets of at least FEWEST_ASSAYS assays that share at least OVERLAP of their compounds (Jaccard),
        directly or through others; the one with the most assays first."""
        for number in self._panels:
            rows = np.flatnonzero(self._family[self.assay] == number)
            assays, a = np.unique(self.assay[rows], return_inverse=True)
            compounds, c = np.unique(self.compound[rows], return_inverse=True)
            total, count = np.zeros((2, len(assays), len(compounds)))
            np.add.at(total, (a, c), self.centred[rows])
            np.add.at(count, (a, c), 1.0)
            label = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
            yield Panel(self.identity[compounds], label)

    def profiles(self) -> csr_matrix:
        """What assays that belong to no panel measured of each compound: float64[c, a], sparse.

        A measurement is its standardized value, cut at 2, or its label as in `centred` where there is
        none; the mean, where an assay measured a compound more than once.
        """
        rows = ~np.isin(self._family[self.assay], self._panels)
        y = np.where(np.isfinite(self.value), np.clip(self.value, -2, 2), self.centred)[rows]
        shape = (len(self.identity), self.n_assays)
        at = (self.compound[rows], self.assay[rows])
        total, count = csr_matrix((y, at), shape=shape), csr_matrix((np.ones_like(y), at), shape=shape)
        # Conversion adds up duplicates and keeps zeros, so the entries of both are in the same order.
        for matrix in (total, count):
            matrix.sum_duplicates()
        total.data /= count.data
        return total
