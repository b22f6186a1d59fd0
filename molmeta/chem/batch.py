"""`MolBatch`: the tensors of n compounds, the only form in which encoders and heads see chemistry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import update_wrapper
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from molmeta.errors import InputError

T = TypeVar("T")


def _ragged(ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the items of the segments `index`, and the new segment borders."""
    sizes = ptr[index + 1] - ptr[index]  # not of all segments, which may be many and on disk
    new = torch.zeros(len(index) + 1, dtype=torch.long, device=ptr.device)
    torch.cumsum(sizes, 0, out=new[1:])
    shift = torch.repeat_interleave(ptr[:-1][index] - new[:-1], sizes)
    return torch.arange(int(new[-1]), device=ptr.device) + shift, new


@dataclass(frozen=True, eq=False)
class Graphs:
    """n molecular graphs, one after the other; vocabularies are in `molmeta.chem.graph`.

    Attributes
    ----------
    atoms : uint8[A, F]
        Categorical atom features.
    atom_ptr : int64[n + 1]
        Atoms of molecule i are atom_ptr[i] to atom_ptr[i + 1].
    ends : int32[B, 2]
        The two atoms of each bond (one row a bond), counted within the molecule.
    bonds : uint8[B, G]
        Categorical bond features.
    bond_ptr : int64[n + 1]
    """

    atoms: Tensor
    atom_ptr: Tensor
    ends: Tensor
    bonds: Tensor
    bond_ptr: Tensor

    def __len__(self) -> int:
        return len(self.atom_ptr) - 1

    def select(self, index: Tensor) -> Graphs:
        """The molecules `index` int64[m], in that order."""
        atom, atom_ptr = _ragged(self.atom_ptr, index)
        bond, bond_ptr = _ragged(self.bond_ptr, index)
        return Graphs(self.atoms[atom], atom_ptr, self.ends[bond], self.bonds[bond], bond_ptr)

    def to(self, device: torch.device | str) -> Graphs:
        return Graphs(*(getattr(self, f.name).to(device) for f in fields(self)))

    def n_atoms(self, index: Tensor) -> Tensor:
        """int64[m]: atoms of the molecules `index`."""
        return self.atom_ptr[index + 1] - self.atom_ptr[index]

    @property
    def owner(self) -> Tensor:
        """int64[A]: molecule of each atom."""
        sizes = self.atom_ptr[1:] - self.atom_ptr[:-1]
        return torch.repeat_interleave(torch.arange(len(self), device=sizes.device), sizes)

    def edges(self) -> Tensor:
        """int64[2, 2B]: edges over the atoms of the whole batch, along all bonds and then back along them."""
        sizes = self.bond_ptr[1:] - self.bond_ptr[:-1]
        start = torch.repeat_interleave(self.atom_ptr[:-1], sizes)
        a, b = (self.ends.long() + start[:, None]).T
        return torch.stack([torch.cat([a, b]), torch.cat([b, a])])


@dataclass(frozen=True, eq=False)
class MolBatch:
    """Features of n compounds; a field is None where no encoder or head asked for it.

    Attributes
    ----------
    n : int
    graph : Graphs or None
    counts, pairs : uint8[n, 2048] or None
        Counts of ECFP4 substructures and of atom pairs (`molmeta.chem.fingerprint`).
    descriptors : float32[n, D] or None
    identity : int64[n] or None
        Hash of the canonical SMILES (`molmeta.chem.features.compound_hash`).
    embedding : float32[n, dim] or None
        Output of a frozen encoder, kept so that it is computed once (`molmeta.encoders.base.Frozen`).
    hidden : float32[n, width] or None
        What the last layer of a frozen encoder reads, for heads with a last layer of their own.
    """

    n: int
    graph: Graphs | None = None
    counts: Tensor | None = None
    pairs: Tensor | None = None
    descriptors: Tensor | None = None
    identity: Tensor | None = None
    embedding: Tensor | None = None
    hidden: Tensor | None = None

    def __len__(self) -> int:
        return self.n

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return next((t.device for t in to_tensors(self).values()), torch.device("cpu"))

    def loaded(self) -> MolBatch:
        """The batch with its features in memory, which they are here."""
        return self

    def select(self, index: Tensor) -> MolBatch:
        """The compounds `index` int64[m] (or a boolean mask bool[n]), in that order."""
        if index.dtype == torch.bool:
            index = index.nonzero().squeeze(1)
        pick = {
            f.name: None if getattr(self, f.name) is None else getattr(self, f.name)[index]
            for f in fields(self)
            if f.name not in ("n", "graph")
        }
        graph = None if self.graph is None else self.graph.select(index)
        return MolBatch(n=len(index), graph=graph, **pick)

    def to(self, device: torch.device | str) -> MolBatch:
        moved = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if f.name != "n" and getattr(self, f.name) is not None
        }
        return replace(self, **moved)

    def need(self, name: str) -> Tensor:
        """The tensor field `name`; raises InputError where it was not computed."""
        value = getattr(self, name)
        if value is None:
            raise InputError(f"this batch has no {name}; featurize the compounds with needs={{'{name}'}}")
        assert isinstance(value, Tensor)
        return value


def concatenate(batches: Sequence[MolBatch]) -> MolBatch:
    """One batch out of several that carry the same fields; of one, itself."""
    first = batches[0]
    if len(batches) == 1:
        return first
    joined: dict[str, Tensor] = {}
    for f in fields(MolBatch):
        if f.name in ("n", "graph") or getattr(first, f.name) is None:
            continue
        joined[f.name] = torch.cat([b.need(f.name) for b in batches])
    graph = None
    if first.graph is not None:
        graphs = [b.graph for b in batches if b.graph is not None]
        graph = Graphs(
            atoms=torch.cat([g.atoms for g in graphs]),
            atom_ptr=_join_pointers([g.atom_ptr for g in graphs]),
            ends=torch.cat([g.ends for g in graphs]),
            bonds=torch.cat([g.bonds for g in graphs]),
            bond_ptr=_join_pointers([g.bond_ptr for g in graphs]),
        )
    return MolBatch(n=sum(b.n for b in batches), graph=graph, **joined)


def _join_pointers(pointers: Sequence[Tensor]) -> Tensor:
    sizes = torch.cat([p[1:] - p[:-1] for p in pointers])
    return torch.cat([sizes.new_zeros(1), torch.cumsum(sizes, 0)])


def to_tensors(mols: MolBatch) -> dict[str, Tensor]:
    """The tensors of a batch under flat names, for storage and for other processes."""
    out: dict[str, Tensor] = {}
    for f in fields(MolBatch):
        value = getattr(mols, f.name)
        if isinstance(value, Graphs):
            out |= {f"graph.{g.name}": getattr(value, g.name) for g in fields(Graphs)}
        elif isinstance(value, Tensor):
            out[f.name] = value
    return out


def from_tensors(n: int, tensors: Mapping[str, Tensor]) -> MolBatch:
    """The batch of n compounds that `to_tensors` took apart."""
    graph = {k.removeprefix("graph."): v for k, v in tensors.items() if k.startswith("graph.")}
    rest = {k: v for k, v in tensors.items() if not k.startswith("graph.")}
    return MolBatch(n=n, graph=Graphs(**graph) if graph else None, **rest)


class Kept(Generic[T]):
    """A function of a tensor; what it made of one is kept as long as that lives and does not change.

    Batches are frozen, and encoder, heads and domain read the same fields of them one after the other.
    """

    def __init__(self, make: Callable[[Tensor], T]) -> None:
        self._make = make
        self._made: MutableMapping[Tensor, tuple[object, tuple[int, int], T]] = WeakTensorKeyDictionary()
        update_wrapper(self, make)

    def __call__(self, tensor: Tensor) -> T:
        if tensor.is_inference():  # they do not count their changes
            return self._make(tensor)
        now, known = (tensor.data_ptr(), tensor._version), self._made.get(tensor)
        if known is None or known[1] != now:
            known = self._keep(tensor, self._make(tensor))
        return known[2]

    def put(self, tensor: Tensor, made: T) -> None:
        """Keeps what was made of a tensor elsewhere."""
        self._keep(tensor, made)

    def _keep(self, tensor: Tensor, made: T) -> tuple[object, tuple[int, int], T]:
        # With the memory that the numbers are in, so that no others can come to lie there.
        known = (tensor.untyped_storage(), (tensor.data_ptr(), tensor._version), made)
        self._made[tensor] = known
        return known

    def forget(self, tensor: Tensor) -> None:
        """For changes that leave no trace: those of a fused optimizer, for one."""
        self._made.pop(tensor, None)
