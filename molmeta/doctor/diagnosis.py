"""`Diagnosis`: findings on an assay, as plain values for the screen, JSON and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from molmeta.wording import counted


class Severity(StrEnum):
    """How much a finding matters, the worst first.

    SERIOUS: a model of the assay as it stands would mislead. CAUTION: it can be made, with what the finding
    says in mind. NOTE: nothing to do, but good to know.
    """

    SERIOUS = "serious"
    CAUTION = "caution"
    NOTE = "note"


@dataclass(frozen=True)
class Concern:
    """One row, compound, or group of them that a finding is about.

    Attributes
    ----------
    said : str
        One line for people, with names and values.
    rows : tuple of int
        Rows of the file, counted from 1.
    smiles : tuple of str
        Canonical SMILES of the compounds; none where the row holds no compound.
    """

    said: str
    rows: tuple[int, ...] = ()
    smiles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that was found in an assay.

    Attributes
    ----------
    code : str
        Stable name, such as "activity_cliffs".
    severity : Severity
    sentence : str
        What was found, with numbers.
    meaning : str
        What it means for a model of few compounds, and what to do.
    concerns : tuple of Concern
        All rows or compounds that it is about; none where it is about the assay as a whole.
    """

    code: str
    severity: Severity
    sentence: str
    meaning: str
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What an assay holds, and what to make of it.

    Attributes
    ----------
    assay : str
        Its name.
    decisions : tuple of str
        How the file was read, one sentence each.
    findings : tuple of Finding
        The most important first.
    fine : tuple of str
        What was looked for and not found, in a few words each.
    counts : dict of str to float
        Numbers of rows and compounds, class balance or range.
    """

    assay: str
    decisions: tuple[str, ...]
    findings: tuple[Finding, ...]
    fine: tuple[str, ...]
    counts: Mapping[str, float] = field(default_factory=dict)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)

    @property
    def is_serious(self) -> bool:
        """Whether a model of the assay as it stands would mislead."""
        return bool(self.of(Severity.SERIOUS))

    @property
    def verdict(self) -> str:
        """The whole in one line.

        >>> Diagnosis("herg", (), (), ()).verdict
        'usable: nothing stands in the way of a model'
        """
        serious, cautions = len(self.of(Severity.SERIOUS)), len(self.of(Severity.CAUTION))
        said = [f"{serious} serious"] if serious else []
        said += [counted(cautions, "caution")] if cautions else []
        if serious:
            return f"mend it before you trust a model of it: {', '.join(said)}"
        if cautions:
            return f"usable for a first model: {', '.join(said)}"
        return "usable: nothing stands in the way of a model"
