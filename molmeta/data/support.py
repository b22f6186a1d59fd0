"""`Support`: the labelled compounds that a predictor was conditioned on, as plain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.chem.reread import reread
from molmeta.data.assay import Assay
from molmeta.data.episode import Labelled
from molmeta.errors import InputError
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
        """Identifier of each compound, or its SMILES where it has none."""
        return [name or smiles for name, smiles in zip(self.ids, self.smiles, strict=True)]

    def labelled(self, needs: Collection[str]) -> Labelled:
        """Features and labels, made from the SMILES alone, so that they are the same after a round trip.

        Raises
        ------
        InputError
            A SMILES that RDKit cannot read.
        """
        return Labelled(
            mols=featurize(self.molecules(), needs),
            y=torch.tensor(self.values, dtype=torch.float32),
            relation=torch.tensor(self.relations, dtype=torch.int8),
            target=self.target,
        )

    def molecules(self) -> list[Molecule]:
        """The compounds, read from their SMILES."""
        found = []
        for smiles, rows in zip(self.smiles, self.rows, strict=True):
            mol = reread(smiles)
            if mol is None:
                raise InputError(
                    f"the support compound '{smiles[:80]}' (rows {rows}) cannot be read by RDKit"
                )
            found.append(Molecule(rows[0] if rows else 0, smiles, mol))
        return found
