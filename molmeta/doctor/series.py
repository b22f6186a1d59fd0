"""How alike the compounds are: one scaffold, and pairs that are alike and behave differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from molmeta.chem.molecule import Molecule
from molmeta.data.assay import Assay
from molmeta.doctor.case import Case, share
from molmeta.doctor.diagnosis import Concern, Finding, Severity
from molmeta.wording import counted

_FEW = 10
_MOST = 0.8
# Source of the limits of a cliff: Stumpfe and Bajorath 2012 take pairs of a Tanimoto similarity of .55 on
# ECFP4 bits and a hundredfold difference in potency; counts, which forgive less, are asked for more here.
ALIKE = 0.7
_ALIKE_CLASSES = 0.8  # near a threshold, classes change with little
_MANY, _SOME = 0.25, 0.05  # of the compounds, where classes and where values change
_LOG_UNITS = 2.0
_DEVIATIONS = 2.0  # on scales that are not logarithmic


def single_scaffold(assay: Assay) -> Finding | None:
    """A warning where all of at least 10 compounds share one scaffold."""
    n = len(assay)
    if n < _FEW or len({_scaffold(molecule) for molecule in assay.molecules}) > 1:
        return None
    return Finding(
        "single_scaffold",
        Severity.CAUTION,
        f"All {n} compounds share one scaffold; the model speaks for that series only.",
        "Compounds of other series will be marked as out of the domain. Measure a few of them, if you mean "
        "to leave the series.",
    )


def scaffolds(case: Case) -> Iterator[Finding]:
    """One scaffold for all compounds, or for most."""
    if (single := single_scaffold(case.assay)) is not None:
        yield single
        return
    found = Counter(map(_scaffold, case.assay.molecules))
    n = len(case.assay)
    scaffold, most = found.most_common(1)[0]
    if n < _FEW or most < _MOST * n:
        return
    what = f"the scaffold {scaffold}" if scaffold else "no ring"
    yield Finding(
        "main_scaffold",
        Severity.NOTE,
        f"{share(most, n, 'compounds')} with {what}.",
        "The model speaks for that series first. Predictions beyond it rest on the few others.",
    )


def cliffs(case: Case) -> Iterator[Finding]:
    """Pairs of compounds that are alike and behave differently."""
    limit = _LOG_UNITS if case.logarithmic else _DEVIATIONS * float(case.assay.values.std())
    alike = _ALIKE_CLASSES if case.classes else ALIKE
    first, second = np.triu(case.similarity >= alike, 1).nonzero()
    pairs = [
        (i, j)
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
        if case.flat[i] != case.flat[j] and case.disagree((i, j), limit)
    ]
    if not pairs:
        return
    pairs.sort(key=lambda pair: -_gap(case, *pair) - float(case.similarity[pair]))
    jump = "the other class" if case.classes else f"a difference of more than {limit:.2g} {case.unit}"
    touched = len({i for pair in pairs for i in pair})
    yield Finding(
        "activity_cliffs",
        Severity.NOTE if touched < (_MANY if case.classes else _SOME) * len(case.assay) else Severity.CAUTION,
        f"Activity cliffs: {counted(len(pairs), 'pair')} with a similarity of at least {alike} and {jump}; "
        f"{share(touched, len(case.assay), 'compounds')}.",
        "Models rank alike what looks alike, so one of each pair will be predicted wrong. Measure again what "
        "you doubt; a cliff that is real tells more about the target than the compounds around it.",
        tuple(_cliff(case, *pair) for pair in pairs),
    )


def _cliff(case: Case, i: int, j: int) -> Concern:
    said = f"{case.labelled(i)} and {case.labelled(j)}, similarity {case.similarity[i, j]:.2f}"
    return case.concern((i, j), said)


def _gap(case: Case, i: int, j: int) -> float:
    return 0.0 if case.classes else float(abs(case.assay.values[i] - case.assay.values[j]))


def _scaffold(molecule: Molecule) -> str:
    try:
        return str(Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(molecule.mol)))  # type: ignore[no-untyped-call]
    except Exception:  # RDKit raises many types; a warning is not worth an assay
        return ""
