"""Features without their zeros: how the compounds of a corpus lie on disk, and how a batch is made of them.

Counts take 2 kB a compound, and nearly all of them are zero; packed they take a tenth. Tensors of a batch
are made when they are asked for, out of arrays that the operating system maps into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from molmeta.chem.batch import Graphs, MolBatch
from molmeta.chem.fingerprint import COUNT_BITS
from molmeta.chem.similarity import Sparse, sparse

_COUNTS = ("counts", "pairs")
# Parts of a feature that belong to compounds by way of borders, and the name of these.
BORDERS = {
    **{f"{name}.{part}": f"{name}.ptr" for name in _COUNTS for part in ("column", "value")},
    "graph.atoms": "graph.atom_ptr",
    "graph.ends": "graph.bond_ptr",
    "graph.bonds": "graph.bond_ptr",
}


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a batch (`molmeta.chem.batch.to_tensors`) with counts as borders, columns and values.

    ptr int64[n + 1], column int16[k] and value uint8[k] in the place of uint8[n, 2048].
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in _COUNTS:
            found = sparse(tensor)
            columns = found.column.to(torch.int16)
            packed |= {f"{name}.ptr": found.ptr, f"{name}.column": columns, f"{name}.value": found.value}
        else:
            packed[name] = tensor.to(torch.int16) if name == "graph.ends" else tensor
    return packed


def segments(ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of what lies between the borders ptr int64[n + 1] of index int64[m], and new borders."""
    start, size = ptr[index], ptr[index + 1] - ptr[index]
    borders = torch.cat([size.new_zeros(1), torch.cumsum(size, 0)])
    shift = torch.repeat_interleave(start - borders[:-1], size)
    return torch.arange(int(borders[-1])) + shift, borders


class StoredBatch(MolBatch):
    """Compounds whose features stay on disk until some of them are selected.

    It is a `MolBatch` in all that can be asked of it; `select` gives one in memory, and `view` another one
    on disk.

    Parameters
    ----------
    stored : mapping of str to Tensor
        What `pack` makes, of all compounds of a corpus; the tensors may be mapped into memory.
    rows : int64[n]
        Those that are in the batch, in its order.
    """

    def __init__(self, stored: Mapping[str, Tensor], rows: Tensor) -> None:
        object.__setattr__(self, "_stored", stored)
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "n", len(rows))

    _stored: Mapping[str, Tensor]
    _rows: Tensor

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def view(self, index: Tensor) -> StoredBatch:
        """The compounds `index` int64[m], still on disk."""
        return StoredBatch(self._stored, self._rows[index])

    def select(self, index: Tensor) -> MolBatch:
        if index.dtype == torch.bool:
            index = index.nonzero().squeeze(1)
        rows = self._rows[index]
        fields = {name: make(self._stored, rows) for name, make in _FIELDS.items()}
        return MolBatch(n=len(rows), **fields)

    def loaded(self) -> MolBatch:
        return self.select(torch.arange(self.n))

    def to(self, device: torch.device | str) -> MolBatch:
        return self.loaded().to(device)

    def __reduce__(self) -> tuple[Callable[[MolBatch], MolBatch], tuple[MolBatch]]:
        # What goes to another process goes as what it is, without the rest of the corpus.
        return _itself, (self.loaded(),)


def _itself(mols: MolBatch) -> MolBatch:
    return mols


def _dense(name: str) -> Callable[[Mapping[str, Tensor], Tensor], Tensor | None]:
    def make(stored: Mapping[str, Tensor], rows: Tensor) -> Tensor | None:
        if f"{name}.ptr" not in stored:
            return None
        at, ptr = segments(stored[f"{name}.ptr"], rows)
        column, value = stored[f"{name}.column"][at].long(), stored[f"{name}.value"][at]
        counts = torch.zeros(len(rows), COUNT_BITS, dtype=torch.uint8)
        counts[torch.repeat_interleave(torch.arange(len(rows)), ptr.diff()), column] = value
        sparse.put(counts, Sparse(ptr, column, value))
        return counts

    return make


def _rowwise(name: str) -> Callable[[Mapping[str, Tensor], Tensor], Tensor | None]:
    return lambda stored, rows: stored[name][rows] if name in stored else None


def _graphs(stored: Mapping[str, Tensor], rows: Tensor) -> Graphs | None:
    if "graph.atom_ptr" not in stored:
        return None
    atom, atom_ptr = segments(stored["graph.atom_ptr"], rows)
    bond, bond_ptr = segments(stored["graph.bond_ptr"], rows)
    ends = stored["graph.ends"][bond].int()
    return Graphs(stored["graph.atoms"][atom], atom_ptr, ends, stored["graph.bonds"][bond], bond_ptr)


_FIELDS: dict[str, Callable[[Mapping[str, Tensor], Tensor], Any]] = {
    "graph": _graphs,
    "counts": _dense("counts"),
    "pairs": _dense("pairs"),
    "descriptors": _rowwise("descriptors"),
    "identity": _rowwise("identity"),
}


def _reading(name: str) -> property:
    """A field that is made of all compounds whenever it is read; who needs some of them selects first."""
    return property(lambda batch: _FIELDS[name](batch._stored, batch._rows))


for _name in _FIELDS:
    setattr(StoredBatch, _name, _reading(_name))
