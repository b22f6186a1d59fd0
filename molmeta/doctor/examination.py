"""`diagnose`: all checks on an assay, and what they found in the order in which it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from molmeta.data.assay import Assay
from molmeta.doctor import evidence, rows, series, stereo, structures, values
from molmeta.doctor.case import Case
from molmeta.doctor.diagnosis import Diagnosis, Finding, Severity
from molmeta.learner import Learner
from molmeta.units import MOLAR

Check = Callable[[Case], Iterator[Finding]]

# Within one severity, findings come in this order. Each check with what is said where it finds nothing; ""
# where that is no merit.
CHECKS: tuple[tuple[Check, str], ...] = (
    (values.scale, "values of a plausible size"),
    (evidence.amount, ""),
    (evidence.spread, ""),
    (rows.several_assays, "one endpoint"),
    (rows.rejected, "every row readable"),
    (rows.conflicts, "no replicates that disagree"),
    (values.piled, "no bounds without a sign"),
    (values.levels, ""),
    (values.skewed, ""),
    (evidence.balance, "both classes well filled"),
    (values.bounds, "no bounds"),
    (series.cliffs, "no activity cliffs"),
    (series.scaffolds, "several scaffolds"),
    (structures.known, ""),
    (rows.names, "no name for two structures"),
    (stereo.stereoisomers, "no stereoisomers"),
    (stereo.tautomers, "no tautomers of one compound"),
    (structures.treated, "no salts or charges"),
    (stereo.lost, ""),
    (stereo.undefined, "all stereo centres drawn"),
    (rows.replicates, ""),
    (rows.unlabelled, "every row labelled"),
    (values.direction, ""),
)
_ONLY_CLASSES = {evidence.balance}
_ONLY_VALUES = {values.scale, values.piled, values.bounds}


def diagnose(assay: Assay, learner: Learner | None = None) -> Diagnosis:
    """Examine an assay.

    Parameters
    ----------
    assay : Assay
        As `read_assay` gives it, or made by hand.
    learner : Learner or None
        The model that is to be adapted to it, which says what compounds it has met; None leaves that out.

    Returns
    -------
    Diagnosis
        Findings are in order of severity.
    """
    case = Case(assay, learner)
    findings: list[Finding] = []
    fine: list[str] = []
    left_out = _ONLY_VALUES if case.classes else _ONLY_CLASSES
    for check, merit in CHECKS:
        found = list(check(case))
        findings += found
        if not found and merit and check not in left_out:
            fine.append(merit)
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))  # stable
    return Diagnosis(
        assay=assay.name,
        decisions=_decisions(case),
        findings=tuple(findings),
        fine=tuple(fine),
        counts=_counts(case),
    )


def _decisions(case: Case) -> tuple[str, ...]:
    """How the file was read; what became of replicates and rejected rows is in the findings."""
    convention = case.ledger.convention
    said = list(case.ledger.notes())
    if not case.classes:
        exact = [m for m in case.ledger.measurements if m.relation == 0]
        first = exact[0] if exact else None
        if first is not None and case.target.is_concentration:
            there = 10**-first.value / MOLAR[case.target.unit or "M"]
            said.append(
                f"for example, {there:.3g} {case.target.unit} in row {first.row} is {first.value:.2f}"
            )
    if convention.columns.identifier is None:
        said.append("no column of identifiers was found; compounds go by their SMILES")
    return tuple(said)


def _counts(case: Case) -> dict[str, float]:
    assay = case.assay
    counts: dict[str, float] = {
        "rows": assay.n_rows,
        "compounds": len(assay),
        "merged replicates": sum(len(rows) - 1 for rows in case.rows),
        "without a label": len(assay.unlabelled),
        "rejected": len(assay.rejected),
    }
    if case.classes:
        active = int(assay.values.sum())
        return counts | {"active": active, "inactive": len(assay) - active}
    return counts | {
        "lowest": float(assay.values.min()),
        "mean": float(assay.values.mean()),
        "highest": float(assay.values.max()),
        "bounds": int((assay.relations != 0).sum()),
    }
