"""Rows that hold no usable compound or label, and rows that share a compound or a name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from molmeta.data.entries import MIXED, SEVERAL
from molmeta.data.replicates import CLASH, Group, disagreement, pooled_deviation
from molmeta.doctor.case import Case, share
from molmeta.doctor.diagnosis import Concern, Finding, Severity
from molmeta.wording import counted

_MANY_REJECTED = 0.05
_MOST_REJECTED = 0.2
_MANY_CLASHES = 0.1


def rejected(case: Case) -> Iterator[Finding]:
    """Rows without a readable structure or label, by reason."""
    found = [one for one in case.assay.rejected if CLASH not in one.detail]
    if not found:
        return
    part = len(found) / max(case.assay.n_rows, 1)
    many = part > _MANY_REJECTED and len(found) > 1
    severity = Severity.SERIOUS if part > _MOST_REJECTED else Severity.CAUTION if many else Severity.NOTE
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in Counter(r.reason for r in found).most_common()
    )
    yield Finding(
        "rejected_rows",
        severity,
        f"Rejected: {share(len(found), case.assay.n_rows, 'rows')}: {reasons}.",
        "They are left out, nothing else changes. Mend their cells and read the file again if you need them"
        + (
            "; so many mean that a column or the format is not what it seems."
            if part > _MOST_REJECTED
            else "."
        ),
        tuple(
            Concern(f"row {one.row}: {one.reason}: {one.detail or one.reason} [{one.text}]", (one.row,))
            for one in found
        ),
    )


def unlabelled(case: Case) -> Iterator[Finding]:
    """Rows with a structure and no label."""
    rows = case.assay.unlabelled
    if not rows:
        return
    most = len(rows) * 2 > case.assay.n_rows
    yield Finding(
        "unlabelled_rows",
        Severity.CAUTION if most else Severity.NOTE,
        f"No label: {share(len(rows), case.assay.n_rows, 'rows')}.",
        "They teach the model nothing; score them with it afterwards."
        + (" Is the label column the right one? --label-column names another." if most else ""),
        tuple(Concern(f"row {row}", (row,)) for row in rows),
    )


def several_assays(case: Case) -> Iterator[Finding]:
    """One column of values that holds several endpoints or assays."""
    found = [note for note in case.ledger.notes() if note.startswith(MIXED) or SEVERAL in note]
    for note in found:
        yield Finding(
            "several_assays",
            Severity.CAUTION,
            f"{note[0].upper()}{note[1:].partition(';')[0]}.",
            "A model takes all rows for one measurement, so differences between assays look like chemistry. "
            "Keep the rows of one assay in the file.",
        )


def conflicts(case: Case) -> Iterator[Finding]:
    """Compounds whose rows disagree, and how that was settled."""
    kept = dict(zip((one.smiles for one in case.assay.molecules), range(len(case.assay)), strict=True))
    clashes = disagreement(case.groups, case.target)
    if not clashes:
        return
    what = (
        "Rows of both classes"
        if case.classes
        else "Replicates more than one log unit apart"
        if case.logarithmic
        else "Replicates more than one standard deviation of the assay apart"
    )
    many = len(clashes) > max(2, _MANY_CLASHES * len(case.groups))
    yield Finding(
        "conflicts",
        Severity.SERIOUS if many else Severity.CAUTION,
        f"{what}: {share(len(clashes), len(case.groups), 'compounds')}.",
        "A wrong label weighs much among few. Look these rows up; --conflicts drop leaves such compounds "
        "out, --conflicts stop refuses the file.",
        tuple(_clash(case, group, kept.get(group.smiles)) for group in clashes),
    )


def _clash(case: Case, group: Group, compound: int | None) -> Concern:
    settled = "left out" if compound is None else f"taken as {case.label(compound)}"
    one = case.measured(group)
    return replace(one, said=f"{one.said}: {settled}")


def replicates(case: Case) -> Iterator[Finding]:
    """Compounds that were measured several times, and how well that repeats."""
    several = [group for group in case.groups if len(group.rows) > 1]
    if not several:
        return
    noise = None if case.classes else pooled_deviation(several)
    repeats = f", which repeat within {noise:.2g} {case.unit} (pooled standard deviation)" if noise else ""
    rows = sum(len(group.rows) for group in several)
    how = "the class of most rows" if case.classes else "the median"
    yield Finding(
        "replicates",
        Severity.NOTE,
        f"Replicates: {rows} rows of {counted(len(several), 'compound')}{repeats}.",
        f"Each compound counts once, with {how}. No model predicts a compound better than it is measured.",
        tuple(map(case.measured, several)),
    )


def names(case: Case) -> Iterator[Finding]:
    """One identifier for several compounds."""
    found: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
    for m in case.ledger.measurements:
        if m.identifier:
            found[m.identifier].setdefault(m.smiles, []).append(m.row)
    clashes = {name: compounds for name, compounds in found.items() if len(compounds) > 1}
    if not clashes:
        return
    yield Finding(
        "shared_names",
        Severity.CAUTION,
        f"One name for several structures: {counted(len(clashes), 'name')}.",
        "One of the structures may be a mistake, or the column does not name compounds "
        "(--id-column gives another). Predictions go by structure, never by name.",
        tuple(
            Concern(
                f"{name}: {' and '.join(smiles[:60] for smiles in compounds)}",
                tuple(np.concatenate(list(compounds.values())).tolist()),
                tuple(compounds),
            )
            for name, compounds in clashes.items()
        ),
    )
