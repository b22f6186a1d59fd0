"""The stage before the network: chunks of a library to features, here or in other processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from molmeta.chem.batch import concatenate, from_tensors, to_tensors
from molmeta.chem.rows import Rows, Watch, read_rows
from molmeta.scoring.serving import Faults

if TYPE_CHECKING:  # worker processes need no pandas
    from molmeta.data.library import LibraryChunk


@dataclass(frozen=True)
class Job:
    """What is sent to a worker of a chunk.

    Attributes
    ----------
    smiles : list of str
    broken : dict of int to str
        Reason codes of rows, by position, that could not be cut into cells.
    """

    smiles: list[str]
    broken: dict[int, str]

    @classmethod
    def of(cls, chunk: LibraryChunk) -> Job:
        return cls(chunk.smiles, {one.row - chunk.first_row: one.reason for one in chunk.rejected})

    def cut(self, most: int) -> list[Job]:
        """Pieces of at most so many rows; one of no rows where there are none."""
        return [
            Job(
                self.smiles[start : start + most],
                {at - start: why for at, why in self.broken.items() if start <= at < start + most},
            )
            for start in range(0, max(len(self.smiles), 1), most)
        ]


NOTHING = Job([], {})


@dataclass(frozen=True)
class Packed:
    """`Rows` as plain arrays: tensors would take a file handle each on their way between processes."""

    status: list[str]
    smiles: list[str | None]
    n: int
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, rows: Rows) -> Packed:
        arrays = {name: value.numpy() for name, value in to_tensors(rows.mols).items()}
        return cls(rows.status, rows.smiles, rows.mols.n, arrays)

    def rows(self) -> Rows:
        tensors = {name: torch.from_numpy(np.require(a, requirements="W")) for name, a in self.arrays.items()}
        return Rows(self.status, self.smiles, from_tensors(self.n, tensors))


def joined(pieces: Sequence[Packed]) -> Rows:
    """The rows of a chunk that was cut."""
    rows = [one.rows() for one in pieces]
    return Rows(
        [status for one in rows for status in one.status],
        [smiles for one in rows for smiles in one.smiles],
        concatenate([one.mols for one in rows]),
    )


@dataclass(frozen=True, eq=False)
class Featurize:
    """Reads and featurizes a chunk; `Workers` run it.

    Attributes
    ----------
    needs : frozenset of str
    known : int32[k] or None
        As in `molmeta.chem.rows.read_rows`.
    """

    needs: frozenset[str]
    known: NDArray[np.int32] | None = None

    def __call__(self, job: Job, faults: Faults, watch: Watch) -> Packed:
        return Packed.of(self.rows(job, faults, watch))

    def rows(self, job: Job, faults: Faults, watch: Watch) -> Rows:
        """The same without packing, for use in one process."""
        refused = job.broken | dict(faults.lost)
        return read_rows(
            job.smiles, self.needs, known=self.known, refused=refused, suspects=faults.suspects, watch=watch
        )
