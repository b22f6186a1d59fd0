"""From the rows of a ledger to an `Assay`: one label a compound, and every row accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.reread import reread
from molmeta.data.assay import Assay
from molmeta.data.entries import OTHERS
from molmeta.data.labels import Label
from molmeta.data.ledger import Convention, Ledger, Measurement, Options, Part, Wanted
from molmeta.data.replicates import CLASH, Group, Merged, collect, merge, spread
from molmeta.data.support import Support
from molmeta.errors import InputError, NotEnoughData
from molmeta.wording import counted

# Scores are computed with 32 bits, and by `heads.likelihood.spread_of` differences below a thousandth of the
# values say nothing.
_ALIKE, _SMALLEST, _LARGEST = 1e-3, 1e-9, 1e30
_PARTS = ("smiles", "ids", "values", "relations", "rows")


def assemble(ledger: Ledger, known: Mapping[str, Molecule] | None = None) -> Assay:
    """The assay of a ledger.

    Parameters
    ----------
    ledger : Ledger
    known : mapping of str to Molecule, optional
        Molecules by their SMILES, which then need not be read again.

    Raises
    ------
    NotEnoughData
        Fewer than 2 compounds, one class, or no two different labels.
    InputError
        Rows disagree, and the convention is to stop there.
    """
    kept, dropped, merged = _merged(ledger)
    first = {m.smiles: m for m in reversed(ledger.measurements)}
    own = {m.row: m for m in ledger.measurements}
    rejected = [*ledger.rejected, *(_conflict(ledger, g, own[row]) for g in dropped for row in g.rows)]
    assay = Assay(
        name=ledger.name,
        target=ledger.convention.target,
        molecules=tuple(_molecule(first[group.smiles], known or {}) for group, _ in kept),
        values=np.array([value for _, (value, _) in kept], dtype=np.float64),
        relations=np.array([relation for _, (_, relation) in kept], dtype=np.int8),
        rejected=tuple(sorted(rejected, key=lambda rejection: rejection.row)),
        ids=tuple(first[group.smiles].identifier for group, _ in kept),
        n_rows=ledger.n_rows,
        replicates=tuple(group.rows for group, _ in kept),
        unlabelled=ledger.unlabelled,
        notes=(*ledger.notes(), *merged, *_summary(rejected, ledger.unlabelled), *_first(rejected)),
        ledger=ledger,
    )
    _check(assay, ledger)
    return assay


def ledger_of(assay: Assay) -> Ledger:
    """The ledger that an assay was made from; of one that was made or changed by hand, one made up for it.

    What that cannot know, the single values of replicates, is noted in it.
    """
    if assay.ledger is not None and _agrees(assay, assay.ledger):
        return assay.ledger
    return made_up(assay.name, Support.of(assay), assay.n_rows, assay.rejected, assay.unlabelled)


def made_up(
    name: str,
    support: Support,
    n_rows: int,
    rejected: tuple[Rejection, ...] = (),
    unlabelled: tuple[int, ...] = (),
) -> Ledger:
    """A ledger in which every row of a compound holds the compound's label."""
    several = sum(len(rows) > 1 for rows in support.rows)
    lost = (
        f"the single labels of {counted(several, 'compound')} are not known; the merged one stands for each"
    )
    target, compounds = support.target, zip(*(getattr(support, part) for part in _PARTS), strict=True)
    return Ledger(
        name=name,
        convention=Convention(
            target=target,
            scale=target if target.kind == "regression" else None,
            columns=Wanted(label=target.name),
            options=Options(lower_is_better=not target.higher_is_better),
        ),
        parts=(
            Part(
                name,
                target.name,
                max(n_rows, *(row for rows in support.rows for row in rows)),
                (lost,) if several else (),
            ),
        ),
        # In the order of the compounds, which need not be that of the rows.
        measurements=tuple(
            Measurement(row, row, smiles[:200], smiles, identifier, value, relation)
            for smiles, identifier, value, relation, rows in compounds
            for row in rows
        ),
        rejected=rejected,
        unlabelled=unlabelled,
    )


def groups_of(ledger: Ledger) -> list[Group]:
    """The labels of each compound, row by row, before they are merged."""
    return collect([(m.row, m.smiles, Label(m.value, m.relation)) for m in ledger.measurements])


def _merged(ledger: Ledger) -> tuple[list[tuple[Group, Merged]], list[Group], list[str]]:
    return merge(groups_of(ledger), ledger.convention.target, ledger.convention.conflicts)


def _agrees(assay: Assay, ledger: Ledger) -> bool:
    """Whether an assay is still what its ledger makes; `dataclasses.replace` may have changed it."""
    kept, _, _ = _merged(ledger)
    ours = zip(assay.molecules, assay.values.tolist(), assay.relations.tolist(), strict=True)
    labels = [(molecule.smiles, (value, relation)) for molecule, value, relation in ours]
    return assay.target == ledger.convention.target and labels == [(g.smiles, label) for g, label in kept]


def _molecule(measurement: Measurement, known: Mapping[str, Molecule]) -> Molecule:
    smiles = measurement.smiles
    if smiles in known:
        return known[smiles]
    mol = reread(smiles)
    if mol is None:
        raise InputError(f"the compound '{smiles[:80]}' (row {measurement.row}) cannot be read by RDKit")
    return Molecule(measurement.row, smiles, mol)


def _conflict(ledger: Ledger, group: Group, measurement: Measurement) -> Rejection:
    detail = f"{ledger.place(measurement)}: {CLASH}: {group.describe()}"
    return Rejection(measurement.row, measurement.text, "bad_label", detail)


def _summary(rejected: Sequence[Rejection], unlabelled: Sequence[int]) -> list[str]:
    reasons = Counter(rejection.reason for rejection in rejected)
    notes = [
        f"{counted(count, 'row')} {'is' if count == 1 else 'are'} rejected as {reason}"
        for reason, count in reasons.most_common()
    ]
    if unlabelled:
        have = "has" if len(unlabelled) == 1 else "have"
        notes.append(f"{counted(len(unlabelled), 'row')} {have} a structure and no label")
    return notes


def _first(rejected: Sequence[Rejection]) -> list[str]:
    """The first rejected row; `molmeta check` lists them all."""
    if not rejected:
        return []
    one = min(rejected, key=lambda rejection: rejection.row)
    detail = one.detail or one.reason
    where = "" if f"row {one.row} " in detail else f"row {one.row}: "
    return [f"the first rejected: {where}{detail}"]


def _check(assay: Assay, ledger: Ledger) -> None:
    """Raise NotEnoughData where nothing can be learned from the labels."""
    found = "; ".join(_summary(assay.rejected, assay.unlabelled)) or "no row is rejected"
    files = " and ".join(part.file for part in ledger.parts)
    column = f"{files} column '{ledger.parts[0].label_column}'"
    if len(assay) < 2:
        example = (
            f" (the first: {assay.rejected[0].detail or assay.rejected[0].reason})" if assay.rejected else ""
        )
        raise NotEnoughData(
            f"{column} gives {counted(len(assay), 'labelled compound')} of {counted(assay.n_rows, 'row')}; "
            f"wanted at least 2: {found}{example}"
        )
    values = set(assay.values.tolist())
    if assay.target.kind == "classification" and len(values) < 2:
        have, lack = ("actives", "inactives") if 1.0 in values else ("inactives", "actives")
        raise NotEnoughData(
            f"{column} gives {len(assay)} {have} and 0 {lack}; wanted both classes: {_instead(ledger)}"
        )
    if assay.relations.all():
        raise NotEnoughData(f"{column} holds only bounds such as >10000; wanted at least one exact value")
    if len(values) < 2:
        raise NotEnoughData(
            f"{column} gives the same value {values.pop():g} for all {len(assay)} compounds; "
            "wanted different ones"
        )
    if assay.target.kind == "regression":
        _check_size(assay.values, column)


def _check_size(values: NDArray[np.float64], column: str) -> None:
    """Raise NotEnoughData where values float64[n] are of a size, or so alike, that models lose digits."""
    size, apart = float(np.abs(values).max()), spread(values)
    if size > _LARGEST or apart < _SMALLEST:
        raise NotEnoughData(
            f"{column} gives values of up to {size:.3g}, which cannot be computed with; wanted them between "
            f"{_SMALLEST:g} and {_LARGEST:g}: give them in another unit"
        )
    if apart < _ALIKE * size:
        raise NotEnoughData(
            f"{column} gives values from {values.min():.9g} to {values.max():.9g}, which differ by less than "
            "a thousandth of their size; wanted differences: subtract what they share"
        )


def _instead(ledger: Ledger) -> str:
    """What to do where there is one class only."""
    if ledger.convention.options.active_if:
        return "give another --active-if, or leave it out to model the values"
    others = (note for part in ledger.parts for note in part.notes if note.startswith(OTHERS))
    values = next((f"; {note}" for note in others), "")
    return f"add the other one, or give measured values instead of classes{values}"
