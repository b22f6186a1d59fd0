"""Reading structures: a cell or an RDKit molecule becomes a `Molecule` or a `Rejection`, never an error."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

from molmeta.chem.funnel import REASONS, Refusal, examine
from molmeta.chem.limits import indefinite, is_bare, misplaced_aromatic, overringed, oversize
from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.plain import is_plain
from molmeta.chem.repair import with_acid_phosphorus
from molmeta.chem.standardize import find_parent

__all__ = ["REASONS", "read_many", "read_mol", "read_smiles"]

HEAVY_WEIGHT = 900.0  # Da; the compounds of meta-training are lighter

_CARBON = Chem.MolFromSmarts("[#6]")
_CARBON_TEXT = re.compile(r"C(?![a-z])|c\d")  # shows it at once in nearly every SMILES

# Text without marks of stereochemistry, hydrogens that are atoms, and metals.
_FLAT = re.compile(r"(?:[^\[@/\\<>]++|\[(?:nH|[Nn]\+|[NO]-)\])++")
_UNSANITIZED = Chem.SmilesParserParams()
_UNSANITIZED.sanitize = False  # type: ignore[assignment]
_UNSANITIZED.removeHs = False  # type: ignore[assignment]
_KNOWS_STEREO = "_StereochemDone"  # by which RDKit knows that it has looked at the stereochemistry
# Of `Chem.SanitizeMol`, without what has nothing to do in flat text.
_IDLE = Chem.SANITIZE_CLEANUPCHIRALITY | Chem.SANITIZE_CLEANUPATROPISOMERS
_OF_FLAT = Chem.SANITIZE_ALL ^ (Chem.SANITIZE_CLEANUP_ORGANOMETALLICS | _IDLE)

_LOG_STAMP = re.compile(r"^\[\d\d:\d\d:\d\d\] ", re.MULTILINE)


def read_smiles(row: int, text: object) -> Molecule | Rejection:
    """Read the structure in a cell.

    A molecule of RDKit is read by `read_mol`. Text passes `molmeta.chem.funnel`, then RDKit, then checks
    on the molecule, then standardization. RDKit's messages go into the detail of a rejection, not to
    stderr. RDKit offers no deadline and can crash on inputs larger than the caps here: hostile libraries
    are read in worker processes (`molmeta.scoring`), never in threads.

    Parameters
    ----------
    row : int
        Row of the source, from 1.
    text : object
        The cell: a SMILES, or a molecule of RDKit; None and nan are empty.

    Returns
    -------
    Molecule or Rejection
        Flags of a Molecule: those of `molmeta.chem.standardize.find_parent`, and "cxsmiles_dropped",
        "repaired_phosphorus", "above_900_da".

    Examples
    --------
    >>> read_smiles(1, "OCC").smiles
    'CCO'
    >>> read_smiles(2, "C1CC").reason
    'invalid_smiles'
    """
    return read_many(row, [text])[0]


def read_many(first_row: int, texts: Iterable[object]) -> list[Molecule | Rejection]:
    """Read the structures in the cells of successive rows, each as `read_smiles` does.

    Examples
    --------
    >>> [outcome.row for outcome in read_many(5, ["OCC", None])]
    [5, 6]
    """
    with rdBase.BlockLogs():
        return [_read(row, text) for row, text in enumerate(texts, first_row)]


def read_mol(row: int, mol: Chem.Mol | None, text: str) -> Molecule | Rejection:
    """Read an RDKit molecule, for example an SDF record.

    Parameters
    ----------
    row : int
        Record of the source, from 1.
    mol : Chem.Mol or None
        Sanitized or not; None where RDKit could not read the record. It is not changed.
    text : str
        What a rejection shows of the record.

    Returns
    -------
    Molecule or Rejection
        The same Molecule that the SMILES of `mol` gives; coordinates and properties are left behind.
    """
    if mol is None:
        return _reject(row, text, Refusal("invalid_chemistry", "RDKit cannot read this record"))
    with rdBase.BlockLogs():
        try:
            outcome = _from_record(row, mol)
        except Chem.MolSanitizeException as error:
            outcome = Refusal("invalid_chemistry", _first_line(str(error)))
        except Exception as error:
            outcome = Refusal("crashed", f"RDKit failed: {_first_line(str(error))}")
    return _reject(row, text, outcome) if isinstance(outcome, Refusal) else outcome


def shown_as(mol: Chem.Mol) -> str:
    """What a message shows of a molecule of RDKit, which need not have a SMILES.

    >>> shown_as(Chem.MolFromSmiles("CCO"))
    'a molecule of 3 atoms'
    """
    return f"a molecule of {mol.GetNumAtoms()} atoms"


def _read(row: int, text: object) -> Molecule | Rejection:
    if isinstance(text, Chem.Mol):
        return read_mol(row, text, shown_as(text))
    found = examine(text)
    if isinstance(found, Refusal):
        return _reject(row, text, found)
    smiles, flags = found
    try:
        mol = _parse(smiles)
        outcome = _read_again(row, smiles, flags) if mol is None else _finish(row, smiles, mol, flags)
    except Exception as error:  # a row is a value: RDKit's own failures must not end a run
        outcome = Refusal("crashed", f"RDKit failed: {_first_line(str(error))}")
    return _reject(row, text, outcome) if isinstance(outcome, Refusal) else outcome


def _parse(smiles: str) -> Chem.Mol | None:
    """What `Chem.MolFromSmiles` makes of it, or None where that does not read it.

    A fifth of its time goes into centres that could be marked but are not: flat text needs none of it, nor
    to have marks taken away that have no sense.
    """
    if not _FLAT.fullmatch(smiles):
        return Chem.MolFromSmiles(smiles)
    mol = Chem.MolFromSmiles(smiles, _UNSANITIZED)
    if mol is None:
        return None
    try:
        Chem.SanitizeMol(mol, _OF_FLAT)
    except Chem.MolSanitizeException:
        return None
    mol.SetIntProp(_KNOWS_STEREO, 1, computed=True)
    return mol


def _read_again(row: int, smiles: str, flags: tuple[str, ...]) -> Molecule | Refusal:
    """With a repair, or RDKit's reason; listening to its log costs too much to do it for every row."""
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(smiles)
        if mol is None and "[PH]" in smiles:
            mol, flags = with_acid_phosphorus(smiles), (*flags, "repaired_phosphorus")
        return _parse_refusal(log.messages) if mol is None else _finish(row, smiles, mol, flags)


def _finish(row: int, smiles: str, mol: Chem.Mol, flags: tuple[str, ...]) -> Molecule | Refusal:
    """Checks on the molecule that was parsed from `smiles`, then its parent."""
    refusal = oversize(mol) or (misplaced_aromatic(mol) if ":" in smiles else None)
    if refusal is not None:
        return refusal
    if not (_CARBON_TEXT.search(smiles) or mol.HasSubstructMatch(_CARBON)):
        return Refusal("inorganic", REASONS["inorganic"])
    canonical, flat = None, False
    if is_plain(mol, smiles):
        flat = _FLAT.fullmatch(smiles) is not None
    else:
        mol, canonical, noted = find_parent(mol)
        if "[C]" in canonical and is_bare(mol):
            return Refusal("not_smiles", "no carbon atom has its hydrogens; this looks like SELFIES")
        flags += noted
    if rdMolDescriptors.CalcExactMolWt(mol) > HEAVY_WEIGHT:
        flags += ("above_900_da",)
    return Molecule(row, canonical, mol, flags, flat=flat)


def _from_record(row: int, mol: Chem.Mol) -> Molecule | Refusal:
    """Through SMILES, which leaves coordinates, properties and explicit hydrogens behind."""
    refusal = indefinite(mol) or oversize(mol) or overringed(mol)
    if refusal is not None:
        return refusal
    mol = Chem.Mol(mol)
    Chem.SanitizeMol(mol)
    smiles = Chem.MolToSmiles(mol)
    again = Chem.MolFromSmiles(smiles)
    if again is None:
        return Refusal("invalid_chemistry", "RDKit cannot read the SMILES that it writes for this record")
    return _finish(row, smiles, again, ())


def _parse_refusal(messages: str) -> Refusal:
    """RDKit's messages on a SMILES that it does not read, in one line."""
    lines = _LOG_STAMP.sub("", messages).splitlines() or ["RDKit gives no reason"]
    if "SMILES Parse Error" not in messages:
        return Refusal("invalid_chemistry", lines[0].strip())
    detail = re.sub(r"( while parsing| for input)?: .*", "", lines[0].replace("SMILES Parse Error: ", ""))
    place = re.search(r"around position \d+", messages)
    return Refusal("invalid_smiles", f"{detail} {place[0]}" if place else detail)


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0]


def _reject(row: int, text: object, refusal: Refusal) -> Rejection:
    shown = "" if text is None else str(text)[:200].encode("utf-8", "backslashreplace").decode()
    return Rejection(row, shown, refusal.reason, refusal.detail)
