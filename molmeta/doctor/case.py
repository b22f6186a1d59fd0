"""`Case`: an assay with all that several checks ask of it, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.chem.similarity import tanimoto
from molmeta.chem.smiles import read_smiles
from molmeta.data.assay import Assay
from molmeta.data.assembly import groups_of, ledger_of
from molmeta.data.headers import is_logarithmic
from molmeta.data.labels import Label
from molmeta.data.ledger import Ledger
from molmeta.data.replicates import Group, classes_disagree, values_disagree
from molmeta.doctor.diagnosis import Concern, Severity
from molmeta.learner import Learner
from molmeta.units import Target

_KEPT = 200  # characters of a structure that a ledger keeps; of a longer one, the flags are not known
_TWENTIETH = 0.05
_SIGNS = {-1: "<", 0: "", 1: ">"}


@dataclass(frozen=True, eq=False)
class Case:
    """An assay under examination.

    Attributes
    ----------
    assay : Assay
    learner : Learner or None
        The model that is to be adapted to it.
    """

    assay: Assay
    learner: Learner | None = None

    @cached_property
    def ledger(self) -> Ledger:
        return ledger_of(self.assay)

    @property
    def target(self) -> Target:
        return self.assay.target

    @property
    def classes(self) -> bool:
        return self.target.kind == "classification"

    @property
    def logarithmic(self) -> bool:
        """Whether one unit of the model's scale is a factor of ten."""
        return not self.classes and is_logarithmic(self.target.unit)

    @cached_property
    def groups(self) -> list[Group]:
        """Labels of each compound, row by row, those that were left out as well."""
        return groups_of(self.ledger)

    @cached_property
    def read(self) -> dict[int, Molecule]:
        """What the structure of each labelled row was read as, with its own flags."""
        rows = [(m.row, m.text) for m in self.ledger.measurements if len(m.text) < _KEPT]
        found = {row: read_smiles(row, text) for row, text in rows}
        return {row: one for row, one in found.items() if isinstance(one, Molecule)}

    @cached_property
    def identifiers(self) -> dict[int, str]:
        """What each labelled row calls its compound, or ""."""
        return {m.row: m.identifier for m in self.ledger.measurements}

    @cached_property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Rows of each compound."""
        return self.assay.replicates or tuple((molecule.row,) for molecule in self.assay.molecules)

    @cached_property
    def flat(self) -> list[str]:
        """Canonical SMILES of each compound without its stereochemistry."""
        return [Chem.MolToSmiles(one.mol, isomericSmiles=False) for one in self.assay.molecules]

    @cached_property
    def similarity(self) -> NDArray[np.float32]:
        """Tanimoto similarity of ECFP4 counts, float32[n, n]."""
        counts = featurize(self.assay.molecules, {"counts"}).need("counts")
        return np.asarray(tanimoto(counts, counts).numpy())

    @cached_property
    def exact(self) -> NDArray[np.float64]:
        """Values that are no bounds."""
        return np.asarray(self.assay.values[self.assay.relations == 0])

    def name(self, i: int) -> str:
        """What a compound is called: its identifier, or else its SMILES."""
        return (self.assay.ids[i] if self.assay.ids else "") or self.assay.molecules[i].smiles[:60]

    def label(self, i: int) -> str:
        """Class or value of a compound."""
        return self._said(float(self.assay.values[i]), int(self.assay.relations[i]))

    def labelled(self, i: int) -> str:
        """A compound with its label."""
        return f"{self.name(i)} {self.label(i)}"

    def measured(self, group: Group) -> Concern:
        """A compound with the labels of its rows."""
        names = dict.fromkeys(self.identifiers[row] for row in group.rows)
        called = "/".join(name for name in names if name) or group.smiles[:60]
        labels = ", ".join(self._said(label.value, label.relation) for label in group.labels)
        rows = ", ".join(map(str, group.rows))
        return Concern(f"{called}: {labels} (rows {rows})", group.rows, (group.smiles,))

    def _said(self, value: float, relation: int) -> str:
        if self.classes:
            return "active" if value else "inactive"
        return f"{_SIGNS[relation]}{value:.3g}"

    def concern(self, compounds: Sequence[int], said: str = "") -> Concern:
        """Compounds of the assay, as one concern."""
        return Concern(
            said or ", ".join(map(self.labelled, compounds)),
            tuple(row for i in compounds for row in self.rows[i]),
            tuple(self.assay.molecules[i].smiles for i in compounds),
        )

    def disagree(self, compounds: Sequence[int], limit: float) -> bool:
        """Whether both classes occur among compounds, or values that are more than `limit` apart.

        A bound counts by how far it is overstepped.
        """
        labels = tuple(Label(float(self.assay.values[i]), int(self.assay.relations[i])) for i in compounds)
        differ = classes_disagree if self.classes else values_disagree(limit)
        return differ(Group("", (), labels))

    @property
    def unit(self) -> str:
        """What one unit of the model's scale is called in a sentence."""
        return "log units" if self.logarithmic else self.target.unit or "units"


def share(part: int, whole: int, noun: str) -> str:
    """A part of a whole, with its percentage.

    >>> share(3, 40, "rows")
    '3 of 40 rows (8 %)'
    """
    percent = 100 * part / max(whole, 1)
    return f"{part} of {whole} {noun} ({'<1' if 0 < percent < 1 else f'{percent:.0f}'} %)"


def rather(severity: Severity, part: int, whole: int) -> Severity:
    """A severity, but a note where less than a twentieth of the whole is concerned.

    >>> rather(Severity.CAUTION, 1, 200).value, rather(Severity.CAUTION, 1, 10).value
    ('note', 'caution')
    """
    return Severity.NOTE if part < _TWENTIETH * whole else severity
