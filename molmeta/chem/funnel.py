"""Text funnel: what a cell must look like before RDKit sees it. Pure Python, no chemistry.

RDKit reads some junk as a molecule: it stops at the first blank, skips non-ASCII bytes and lets big
numbers wrap around. Whatever it would misread, or could die of, ends here with a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REASONS = {
    "empty": "the cell holds no structure",
    "invalid_smiles": "the text does not follow the SMILES grammar",
    "invalid_chemistry": "the structure breaks valence or aromaticity rules",
    "non_ascii": "a character outside ASCII, which no SMILES holds",
    "inner_whitespace": "a blank, tab or line break inside the structure",
    "not_smiles": "another notation, a name or a number instead of a SMILES",
    "reaction": "a reaction instead of a compound",
    "query_or_wildcard": "a query, wildcard, R-group or polymer instead of one compound",
    "out_of_range_atom": "an isotope, charge or hydrogen count that no atom has",
    "no_heavy_atoms": "only hydrogen",
    "inorganic": "no carbon atom",
    "too_large": "more characters, atoms, fragments or rings than are scored",
    "timeout": "reading took longer than the deadline",
    "crashed": "the reader failed on this structure",
    "bad_label": "the label cannot be read",
    "ragged_row": "the row has another number of fields than the header",
}

MAX_CHARACTERS = 2000
# RDKit's aromaticity search takes seconds from 30 fused rings on, days at 60. FS-Mol has 15 at most.
MAX_RINGS = 24
_SHOWN = 40  # characters of an atom in a message

_EMPTY = frozenset(
    ["", "-", "--", ".", "?", "nan", "na", "n/a", "<na>", "#n/a", "none", "null", "nil", "nat", "missing"]
)
_ENDS = " \t\r\n\f\v\ufeff\xa0"

# The common case in one match: starts with an atom, holds organic atoms, bonds, branches, rings, and bracket
# atoms of small numbers. Possessive, so a miss costs one pass too.
_PLAIN = re.compile(
    r"(?=[\[A-Za-z])(?:[NOPSFIbcnops0-9()=#/\\.%:-]++|Cl?|Br?"
    r"|\[(?![AGLMQRX]\])(?:[A-Z][a-z]?|[a-z]{1,2})@{0,2}(?:H\d?)?(?:\+{1,3}|-{1,3}|[+-]\d)?\])++"
)
_TOKENS = re.compile(r"(?:Cl|Br|[BCNOPSFIbcnops]|\[[^\[\]]*\]|[0-9%=#$:/\\()~*@+.<>-])++")
_WORD = re.compile(r"[A-Za-z]{4,}")
_RING_LABEL = re.compile(r"%\(\d+\)|%\d\d|\d")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_STEREO_CLASS = re.compile(r"@(?:TH|AL|SP|TB|OH)\d*")
_R_GROUP = re.compile(r"R\d*|[AQXMLG]\d*")
_MOLBLOCK = re.compile(r"V[23]000|M  END")
_CXSMILES = re.compile(r"([^\s|]+)[ \t]+\|.*", re.DOTALL)
_OTHER_NOTATIONS = (
    (re.compile(r"InChI=", re.IGNORECASE), "an InChI"),
    (re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]$"), "an InChIKey"),
    (re.compile(r"\d{2,7}-\d\d-\d$"), "a CAS number"),
    (re.compile(r"[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?$"), "a number"),
    (re.compile(r"(?:\[[=#/\\]?[A-Z][A-Za-z0-9+-]*\])*\[(?:[=#]?(?:Branch|Ring)\d|[=#][A-Z])"), "SELFIES"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text is not given to RDKit: a key of `REASONS` and one sentence for people."""

    reason: str
    detail: str


def examine(text: object) -> tuple[str, tuple[str, ...]] | Refusal:
    """The SMILES that a cell holds and the flags to note, or why it holds none.

    Parameters
    ----------
    text : object
        The cell; None, nan and their spellings count as empty.

    Returns
    -------
    (str, tuple of str) or Refusal
        Printable ASCII of at most 2,000 characters and 24 rings without reactions, queries or outsize
        numbers.

    Examples
    --------
    >>> examine(" CCO |$label$|")
    ('CCO', ('cxsmiles_dropped',))
    >>> examine("C[N+999](C)C").reason
    'out_of_range_atom'
    """
    if isinstance(text, str) and len(text) <= MAX_CHARACTERS and _PLAIN.fullmatch(text):
        # A ring takes four characters: its label twice, and another atom between.
        return (_too_many_rings(text) if len(text) > 4 * MAX_RINGS else None) or (text, ())
    if not isinstance(text, str):
        if str(text).lower() in _EMPTY:
            return Refusal("empty", REASONS["empty"])
        return Refusal("not_smiles", f"found a value of type {type(text).__name__}, wanted text")
    smiles = text.strip(_ENDS)
    if smiles.lower() in _EMPTY:
        return Refusal("empty", REASONS["empty"])
    match = _CXSMILES.fullmatch(smiles) if "|" in smiles else None
    if match:
        smiles = match[1]
    refusal = (
        _not_smiles(smiles)
        or _too_long(smiles)
        or _odd_character(smiles)
        or _reaction(smiles)
        or _query(smiles)
        or _outsize(smiles)
        or _too_many_rings(smiles)
    )
    return refusal or (smiles, ("cxsmiles_dropped",) if match else ())


def _not_smiles(text: str) -> Refusal | None:
    """Molblocks, InChI, keys, numbers and names."""
    head = text[:MAX_CHARACTERS]
    what = "a molblock" if "\n" in head and _MOLBLOCK.search(head) else ""
    for pattern, name in _OTHER_NOTATIONS:
        what = what or (name if pattern.match(head) else "")
    if not what and len(text) <= MAX_CHARACTERS and _is_name(text):
        what = "a name or an identifier"
    return Refusal("not_smiles", f"this looks like {what}; give a SMILES") if what else None


def _is_name(text: str) -> bool:
    """Whether the first word cannot be SMILES and has two different letters that no SMILES atom has."""
    first = re.split(r"\s", text, maxsplit=1)[0]
    if _TOKENS.fullmatch(first):
        return False
    words = _WORD.findall(_BRACKET.sub(" ", first).replace("Cl", "C").replace("Br", "B"))
    return any(len(set(word) - set("BCNOPSFIHbcnops")) >= 2 for word in words)


def _too_long(text: str) -> Refusal | None:
    if len(text) <= MAX_CHARACTERS:
        return None
    return Refusal("too_large", f"{len(text):,} characters; at most {MAX_CHARACTERS:,} are read")


def _too_many_rings(text: str) -> Refusal | None:
    rings = len(_RING_LABEL.findall(_BRACKET.sub("", text))) // 2
    if rings <= MAX_RINGS:
        return None
    return Refusal("too_large", f"{rings:,} rings; at most {MAX_RINGS} are read")


def _odd_character(text: str) -> Refusal | None:
    """The first character that is not printable ASCII, by code point and position (from 1)."""
    for position, character in enumerate(text, 1):
        if "!" <= character <= "~":
            continue
        where = f"U+{ord(character):04X} at position {position}"
        if character in " \t\n\r\f\v":
            return Refusal("inner_whitespace", f"{where}; a structure holds no blank, tab or line break")
        if character < "\x80":
            return Refusal("not_smiles", f"control character {where}")
        return Refusal("non_ascii", f"{where}; RDKit would read another molecule")
    return None


def _reaction(text: str) -> Refusal | None:
    if ">" not in text.replace("->", ""):
        return None
    return Refusal("reaction", "'>' makes this a reaction; give one compound")


def _query(text: str) -> Refusal | None:
    """Wildcards, SMARTS operators, R-groups and polymer notation."""
    for mark in "*~$!&;,{}":
        if mark in text:
            return Refusal("query_or_wildcard", f"'{mark}' stands for more than one structure")
    for atom in _BRACKET.findall(text):
        if "#" in atom or "?" in atom or _R_GROUP.fullmatch(atom):
            return Refusal("query_or_wildcard", f"'[{atom}]' stands for more than one atom")
    if "R" in _BRACKET.sub("", text):
        return Refusal("query_or_wildcard", "'R' stands for an open substituent")
    return None


def _outsize(text: str) -> Refusal | None:
    """Numbers in bracket atoms that RDKit would let wrap around."""
    for atom in _BRACKET.findall(text):
        plain = _STEREO_CLASS.sub("", atom)  # that of an octahedron, @OH25, has no 25 hydrogens
        shown = atom if len(atom) <= _SHOWN else atom[:_SHOWN] + "..."
        if (found := re.match(r"\d+", plain)) and int(found[0]) > 300:
            return Refusal("out_of_range_atom", f"isotope in '[{shown}]'; at most 300")
        if any(int(one) > 15 for one in re.findall(r"[+-](\d+)", plain)) or re.search(r"[+-]{16}", plain):
            return Refusal("out_of_range_atom", f"charge in '[{shown}]'; at most 15 either way")
        if any(int(one) > 9 for one in re.findall(r"H(\d+)", plain)):
            return Refusal("out_of_range_atom", f"hydrogens in '[{shown}]'; at most 9")
        if re.search(r":\d{7}", plain):
            return Refusal("out_of_range_atom", f"atom map number in '[{shown}]'; at most 6 digits")
    return None
