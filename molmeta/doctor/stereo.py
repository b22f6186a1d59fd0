"""Stereochemistry that is open or lost, and compounds that differ in nothing else, or in a tautomer alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

from molmeta.doctor.case import Case, rather, share
from molmeta.doctor.diagnosis import Concern, Finding, Severity
from molmeta.wording import counted

_OPEN = Chem.StereoSpecified.Unspecified
_MARK = re.compile(r"@|[/\\]")
_LOG_UNIT = 1.0
_AS_WRITTEN = Chem.SmilesParserParams()
_AS_WRITTEN.sanitize = False  # type: ignore[assignment]
_AS_WRITTEN.removeHs = False  # type: ignore[assignment]
_INCHI_ATOMS = 100  # InChI of larger compounds takes long, and says nothing here


def open_centres(mol: Chem.Mol) -> int:
    """Stereo centres and double bonds that could be marked and are not.

    >>> open_centres(Chem.MolFromSmiles("CC(O)CC")), open_centres(Chem.MolFromSmiles("C[C@H](O)CC"))
    (1, 0)
    """
    with rdBase.BlockLogs():
        found = Chem.FindPotentialStereo(Chem.Mol(mol), cleanIt=False, flagPossible=True)
    return sum(one.specified == _OPEN for one in found)


def undefined(case: Case) -> Iterator[Finding]:
    """Compounds whose stereochemistry is left open."""
    centres = {i: n for i, one in enumerate(case.assay.molecules) if (n := open_centres(one.mol))}
    if not centres:
        return
    yield Finding(
        "undefined_stereo",
        Severity.NOTE,
        f"Open stereo centres or double bonds: {share(len(centres), len(case.assay), 'compounds')}.",
        "Such a compound counts as one of its own, apart from its stereoisomers. Draw what was measured, as "
        "far as you know it; racemates may stay as they are.",
        tuple(case.concern([i], f"{case.name(i)} ({n})") for i, n in centres.items()),
    )


def lost(case: Case) -> Iterator[Finding]:
    """Rows that mark stereochemistry which the compound does not have."""
    found = [
        Concern(f"row {m.row}: {m.identifier} {m.text} -> {m.smiles}", (m.row,), (m.smiles,))
        for m in case.ledger.measurements
        if _MARK.search(m.text) and (not _MARK.search(m.smiles) or _fewer(m.text, m.smiles))
    ]
    if not found:
        return
    yield Finding(
        "stereo_lost",
        Severity.NOTE,
        "Stereochemistry marked where there is none, or only in a counterion: "
        f"{share(len(found), len(case.ledger.measurements), 'labelled rows')}.",
        "The marks are left out. Where you meant a centre, look at the structure: a substituent may be "
        "missing.",
        tuple(found),
    )


def _fewer(text: str, smiles: str) -> bool:
    """Whether a compound of one part has fewer marked centres or double bonds than its text."""
    if "." in text:  # the others may have been a counterion's
        return False
    written, read = (_marked(one) for one in (text.split()[0], smiles))
    return any(one > other for one, other in zip(written, read, strict=True))


def _marked(smiles: str) -> tuple[int, int]:
    """Centres and double bonds that a SMILES marks, whether that has sense or not."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, _AS_WRITTEN)
    if mol is None:
        return 0, 0
    slanted = {
        atom
        for bond in mol.GetBonds()
        if bond.GetBondDir() != Chem.BondDir.NONE
        for atom in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    }
    double = [bond for bond in mol.GetBonds() if bond.GetBondType() == Chem.BondType.DOUBLE]
    return (
        sum(atom.GetChiralTag() != Chem.ChiralType.CHI_UNSPECIFIED for atom in mol.GetAtoms()),
        sum({bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= slanted for bond in double),
    )


def stereoisomers(case: Case) -> Iterator[Finding]:
    """Compounds that differ in their stereochemistry alone."""
    groups = _alike(case.flat)
    if not groups:
        return
    apart = [group for group in groups if case.disagree(group, _limit(case))]
    rest = [group for group in groups if group not in apart]
    if apart:
        yield Finding(
            "stereoisomers_differ",
            Severity.CAUTION,
            f"Stereoisomers with different labels: {counted(len(apart), 'set')}.",
            "They are kept apart: what the model reads has their configuration, but few compounds teach "
            "little about it. Check that each configuration is the one that was measured.",
            tuple(map(case.concern, apart)),
        )
    if rest:
        yield Finding(
            "stereoisomers",
            Severity.NOTE,
            f"Stereoisomers with like labels: {counted(len(rest), 'set')}.",
            "Each counts as a compound of its own. If they are one sample, drawn with and without its "
            "configuration, draw it alike so that the values are merged.",
            tuple(map(case.concern, rest)),
        )


def tautomers(case: Case) -> Iterator[Finding]:
    """Compounds that may be one compound, drawn as two tautomers: alike in the first block of the "
    "InChIKey."""
    mols = [one.mol for one in case.assay.molecules]
    formulas = _alike([rdMolDescriptors.CalcMolFormula(mol) for mol in mols])
    suspects = [i for group in formulas for i in group if mols[i].GetNumHeavyAtoms() <= _INCHI_ATOMS]
    with rdBase.BlockLogs():
        keys = [_first_block(mols[i]) for i in suspects]
    found = [[suspects[k] for k in group] for group in _alike(keys)]
    found = [group for group in found if len({case.flat[i] for i in group}) > 1]
    if not found:
        return
    yield Finding(
        "tautomers",
        rather(Severity.CAUTION, sum(map(len, found)), len(mols)),
        f"One compound drawn as several tautomers, perhaps: {counted(len(found), 'set')}.",
        "They are not merged, since tautomers are no replicates for certain. Draw them alike if they are.",
        tuple(map(case.concern, found)),
    )


def _first_block(mol: Chem.Mol) -> str:
    return str(Chem.MolToInchiKey(mol)).partition("-")[0]  # type: ignore[no-untyped-call]


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Positions that share a key with others; "" is none."""
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        if key:
            found[key].append(i)
    return [group for group in found.values() if len(group) > 1]


def _limit(case: Case) -> float:
    return _LOG_UNIT if case.logarithmic else float(case.assay.values.std())
