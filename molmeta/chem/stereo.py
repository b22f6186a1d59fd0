"""Labels of stereocentres and double bonds that no other spelling of a SMILES changes.

The tag of an atom (clockwise or not) refers to the order of its neighbours; its CIP label does not. Ring
stereocentres, whose cis or trans is a relation between two of them, have no label in RDKit's classic CIP
rules, and the full rules (Hanson et al. 2018) take tens of milliseconds on some drugs. These few get the
tag that they have in the canonical SMILES.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem import rdqueries

_TAGGED = Chem.RWMol()
_TAGGED.AddAtom(rdqueries.HasChiralTagQueryAtom())
_UNMARKED = {Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY}
_CIP = {Chem.BondStereo.STEREOE: "E", Chem.BondStereo.STEREOZ: "Z"}
_TAG = {Chem.ChiralType.CHI_TETRAHEDRAL_CW: "cw", Chem.ChiralType.CHI_TETRAHEDRAL_CCW: "ccw"}
_MAX_ATOMS = 1_000_000

_AS_WRITTEN = Chem.SmilesParserParams()
_AS_WRITTEN.removeHs = False  # type: ignore[assignment]

Pairs = Sequence[Sequence[int]]
Labels = list[tuple[int, str]]


def stereo_labels(mol: Chem.Mol, double: Pairs) -> tuple[Labels, Labels]:
    """Labels of the marked atoms of a molecule, and of the marked ones among its double bonds.

    Parameters
    ----------
    mol : Chem.Mol
        Left as it is.
    double : sequence of (int, int)
        Atoms of each double bond.

    Returns
    -------
    atoms : list of (int, str)
        Index of the atom; "R" or "S", else "cw" or "ccw", else "".
    bonds : list of (int, str)
        Position in `double`; "E", "Z" or "".
    """
    tagged = [atom for (atom,) in mol.GetSubstructMatches(_TAGGED, maxMatches=_MAX_ATOMS)]
    marked = [
        i for i, ends in enumerate(double) if mol.GetBondBetweenAtoms(*ends).GetStereo() not in _UNMARKED
    ]
    ends = [double[i] for i in marked]
    labels = _cip(mol, tagged, ends)
    # The full CIP rules, where someone has asked for them, leave other labels than reading a SMILES does.
    if "" in labels or mol.HasProp("_CIPComputed"):
        labels = _canonical(mol, tagged, ends)
    atoms, bonds = labels[: len(tagged)], labels[len(tagged) :]
    return list(zip(tagged, atoms, strict=True)), list(zip(marked, bonds, strict=True))


def _cip(mol: Chem.Mol, tagged: Sequence[int], ends: Pairs) -> list[str]:
    atoms = [mol.GetAtomWithIdx(atom) for atom in tagged]
    bonds = [mol.GetBondBetweenAtoms(*pair) for pair in ends]
    return [str(a.GetProp("_CIPCode")) if a.HasProp("_CIPCode") else "" for a in atoms] + [
        _CIP.get(bond.GetStereo(), "") for bond in bonds
    ]


def _canonical(mol: Chem.Mol, tagged: Sequence[int], ends: Pairs) -> list[str]:
    """Labels, and tags in place of those that are missing, as read from the canonical SMILES."""
    mol = Chem.Mol(mol)
    for atom in tagged:
        mol.GetAtomWithIdx(atom).ClearProp("_CIPCode")
    Chem.AssignStereochemistry(mol, cleanIt=False, force=True)
    again = Chem.MolFromSmiles(Chem.MolToSmiles(mol), _AS_WRITTEN)
    if again is None:
        return [""] * (len(tagged) + len(ends))
    order = mol.GetPropsAsDict(includePrivate=True, includeComputed=True)["_smilesAtomOutputOrder"]
    place = {atom: position for position, atom in enumerate(order)}
    centres = [place[atom] for atom in tagged]
    labels = _cip(again, centres, [[place[a], place[b]] for a, b in ends])
    tags = [_TAG.get(again.GetAtomWithIdx(atom).GetChiralTag(), "") for atom in centres]
    return [label or tag for label, tag in zip(labels, tags + [""] * len(ends), strict=True)]
