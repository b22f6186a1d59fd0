"""`Support`: the labelled compounds that a predictor was conditioned on, as plain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from molmeta.chem.batch import MolBatch
from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.chem.reread import reread
from molmeta.data.assay import Assay
from molmeta.data.episode import Labelled
from molmeta.errors import InputError, RefusedError
from molmeta.units import Target


@dataclass(frozen=True)
class Support:
    """What an adapted model remembers of its assay.

    Attributes
    ----------
    target : Target
    smiles : tuple of str, length n
        Canonical SMILES of the standardized parents.
    values : tuple of float, length n
        On the model's scale.
    relations : tuple of int, length n
        -1 below, 0 exact, +1 above.
    ids : tuple of str, length n
        "" where the file has none.
    rows : tuple of tuple of int, length n
        Rows of the file that each compound comes from.
    """

    target: Target
    smiles: tuple[str, ...]
    values: tuple[float, ...]
    relations: tuple[int, ...]
    ids: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        sizes = {len(part) for part in (self.smiles, self.values, self.relations, self.ids, self.rows)}
        if len(sizes) != 1:
            raise InputError(f"a support set needs one of everything per compound; found {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.smiles)

    @classmethod
    def of(cls, assay: Assay) -> Support:
        """All compounds of an assay."""
        n = len(assay)
        return cls(
            target=assay.target,
            smiles=tuple(molecule.smiles for molecule in assay.molecules),
            values=tuple(assay.values.tolist()),
            relations=tuple(assay.relations.tolist()),
            ids=assay.ids or ("",) * n,
            rows=assay.replicates or tuple((molecule.row,) for molecule in assay.molecules),
        )

    def names(self) -> list[str]:
        """Identifier of each compound, or its SMILES where it has none, or its row where that is not kept."""
        parts = zip(self.ids, self.smiles, self.rows, strict=True)
        return [
            name or smiles or (f"row {rows[0]}" if rows else f"compound {i}")
            for i, (name, smiles, rows) in enumerate(parts, 1)
        ]

    @property
    def is_hidden(self) -> bool:
        """Whether structures are not kept, as in a private model."""
        return bool(self.smiles) and not any(self.smiles)

    def labelled(self, needs: Collection[str], mols: MolBatch | None = None) -> Labelled:
        """Features and labels, made from the SMILES alone, so that they are the same after a round trip.

        Parameters
        ----------
        needs : collection of str
            Features to compute.
        mols : MolBatch or None
            The compounds, if their features are at hand.

        Raises
        ------
        InputError
            A SMILES that RDKit cannot read.
        """
        return Labelled(
            mols=featurize(self.molecules(), needs) if mols is None else mols,
            y=torch.tensor(self.values, dtype=torch.float32),
            relation=torch.tensor(self.relations, dtype=torch.int8),
            target=self.target,
        )

    def molecules(self) -> list[Molecule]:
        """The compounds, read from their SMILES; raises RefusedError where these are not kept."""
        if self.is_hidden:
            raise RefusedError("the model is private: it keeps no structures of its compounds")
        found = []
        for smiles, rows in zip(self.smiles, self.rows, strict=True):
            mol = reread(smiles)
            if mol is None:
                raise InputError(
                    f"the support compound '{smiles[:80]}' (rows {rows}) cannot be read by RDKit"
                )
            found.append(Molecule(rows[0] if rows else 0, smiles, mol))
        return found
