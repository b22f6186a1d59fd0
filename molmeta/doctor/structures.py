"""What had to be done to structures before a model could read them, and which ones it has never met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from molmeta.doctor.case import Case, rather, share
from molmeta.doctor.diagnosis import Concern, Finding, Severity
from molmeta.wording import counted


@dataclass(frozen=True)
class _Meaning:
    """What a flag of `Molecule` says of a row, and what that means."""

    severity: Severity
    said: str
    meaning: str


_FLAGS = {
    "mixture": _Meaning(
        Severity.CAUTION,
        "Two different organic parts of one size",
        "One part is taken and the other left out. Give the part that was measured, or leave the row out.",
    ),
    "unseen_element": _Meaning(
        Severity.CAUTION,
        "An element that no compound of meta-training has",
        "The model knows nothing of it and reads the rest of the compound. Do not trust such predictions.",
    ),
    "above_900_da": _Meaning(
        Severity.CAUTION,
        "Heavier than 900 Da",
        "Meta-training had small molecules. A peptide or macrocycle is read, but nothing was learned of its "
        "like.",
    ),
    "standardize_failed": _Meaning(
        Severity.CAUTION,
        "Not standardized, used as written",
        "Salts and charges stay in these, so that they match neither replicates nor library rows.",
    ),
    "stereo_dropped": _Meaning(
        Severity.NOTE,
        "Square planes, bipyramids or octahedra, whose marks are left out",
        "Isomers that differ in these alone count as one compound; only tetrahedral centres are kept.",
    ),
    "cxsmiles_dropped": _Meaning(
        Severity.NOTE,
        "A CXSMILES extension, which is not read",
        "Marks such as 'racemic' or 'or1' are lost; the structure counts as it is drawn.",
    ),
    "repaired_phosphorus": _Meaning(
        Severity.NOTE,
        "Phosphorus acids with an impossible valence, which is mended",
        "A hydrogen is moved to an oxygen. Look at the structure if phosphorus matters to you.",
    ),
    "isotope_removed": _Meaning(
        Severity.NOTE,
        "Isotopes, which are left out",
        "A deuterated compound counts as a replicate of the plain one.",
    ),
    "salt_stripped": _Meaning(
        Severity.NOTE,
        "Salts or solvates, of which the parent is taken",
        "Salt and parent count as one compound. Where the values depend on the counterion, leave one out.",
    ),
    "neutralized": _Meaning(
        Severity.NOTE,
        "Charges, which are neutralized",
        "Charged and neutral forms count as one compound.",
    ),
}


def treated(case: Case) -> Iterator[Finding]:
    """Rows whose structures carry a flag of the reader, flag by flag."""
    flagged: dict[str, list[Concern]] = {}
    measured = {m.row: m for m in case.ledger.measurements}
    parents = {one.smiles: one for one in case.assay.molecules}
    for row, m in measured.items():
        own = case.read.get(row) or parents.get(m.smiles)
        for flag in _told(own.flags) if own is not None else ():
            said = f"row {row}: {m.identifier} {m.text[:80]}".replace("  ", " ")
            said += "" if m.text == m.smiles else f" -> {m.smiles[:80]}"
            flagged.setdefault(flag, []).append(Concern(said, (row,), (m.smiles,)))
    for flag, meaning in _FLAGS.items():
        if concerns := flagged.get(flag):
            yield Finding(
                flag,
                rather(meaning.severity, len(concerns), len(measured)),
                f"{meaning.said}: {share(len(concerns), len(measured), 'labelled rows')}.",
                meaning.meaning,
                tuple(concerns),
            )


def _told(flags: tuple[str, ...]) -> list[str]:
    """Flags worth a word: that the charges of a salt go is no news."""
    return [flag for flag in flags if flag != "neutralized" or "salt_stripped" not in flags]


def known(case: Case) -> Iterator[Finding]:
    """Compounds that meta-training has seen, in other assays."""
    if case.learner is None:
        return
    found = case.learner.knows([one.smiles for one in case.assay.molecules]).nonzero().squeeze(1).tolist()
    n = len(case.assay)
    if not found:
        yield Finding(
            "new_chemistry",
            Severity.NOTE,
            f"None of the {counted(n, 'compound')} was in the meta-training of {case.learner.name}.",
            "All that the model knows of them comes from their structures and your labels.",
        )
        return
    most = len(found) * 2 > n
    yield Finding(
        "known_compounds",
        Severity.CAUTION if most else Severity.NOTE,
        f"In the meta-training of {case.learner.name}, in other assays: {share(len(found), n, 'compounds')}.",
        "Predictions of such compounds are better than of compounds that nobody has measured"
        + (", so the verdict of adapt is brighter than what your new compounds will get." if most else "."),
        tuple(case.concern([i], case.name(i)) for i in found),
    )
