"""Records of an SD file as rows: the structure as SMILES, the title, and the data fields."""

from __future__ import annotations

from collections.abc import Iterator

from rdkit import Chem, rdBase

from molmeta.chem.molecule import Rejection
from molmeta.data.source import Source, ahead, text_lines

RECORD_LIMIT = 1 << 20
# Data fields are taken from this many records; a field that first appears later is left out, and noted.
SCHEMA_RECORDS = 500
# Far above what can be scored, and far below where writing a SMILES gets slow.
MAX_ATOMS = 1500

STRUCTURE, TITLE = "structure", "name"
Fields = dict[str, str]


def read_sdf(source: Source) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str] | Rejection]]]:
    """Header and records of an SD file (V2000 or V3000, any line end).

    Returns
    -------
    header : tuple of str
        "structure", "name", then the data fields in the order in which they appear.
    records : iterator of (record number, cells or Rejection)
        The structure is a SMILES, unsanitized where RDKit cannot sanitize it, so that reading it says why.
    """
    blocks: Iterator[tuple[int, list[str]]] = enumerate(_blocks(text_lines(source)), 1)
    first, blocks = ahead(blocks, lambda seen: len(seen) >= SCHEMA_RECORDS)
    names = list(dict.fromkeys(name for _, block in first for name in _fields(block)))
    return (STRUCTURE, TITLE, *names), _records(source, blocks, names)


def _records(
    source: Source, blocks: Iterator[tuple[int, list[str]]], names: list[str]
) -> Iterator[tuple[int, list[str] | Rejection]]:
    late: set[str] = set()
    for number, block in blocks:
        fields = _fields(block)
        for name in fields.keys() - set(names) - late:
            late.add(name)
            source.notes.append(f"data field '{name}' first appears in record {number} and is left out")
        structure = _structure(number, block)
        if isinstance(structure, Rejection):
            yield number, structure
        else:
            yield number, [structure, block[0].strip(), *(fields.get(name, "") for name in names)]


def _blocks(lines: Iterator[str]) -> Iterator[list[str]]:
    """Lines of each record, without their ends; what lies beyond RECORD_LIMIT is cut off."""
    block: list[str] = []
    size = 0
    for text in lines:
        if text.startswith("$$$$"):
            yield block or [""]
            block, size = [], 0
            continue
        size += len(text)
        if size <= RECORD_LIMIT:
            block.append(text.rstrip("\r\n"))
    if any(text.strip() for text in block):
        yield block


def _fields(block: list[str]) -> Fields:
    """Data fields `> <name>`; a value of several lines keeps its line ends."""
    fields: Fields = {}
    name: str | None = None
    for text in block:
        if text.startswith(">") and "<" in text:
            name = text[text.index("<") + 1 : text.rindex(">")] if text.rindex(">") else None
            if name is not None:
                fields[name] = ""
        elif not text.strip():
            name = None
        elif name is not None:
            fields[name] = f"{fields[name]}\n{text}" if fields[name] else text
    return fields


def _structure(number: int, block: list[str]) -> str | Rejection:
    """SMILES of a record's mol block."""
    title = block[0].strip()[:200]
    ends = [i for i, text in enumerate(block) if text.startswith("M  END")]
    if len(ends) != 1:
        what = "no 'M  END'" if not ends else f"{len(ends)} mol blocks; is a '$$$$' line missing?"
        return Rejection(number, title, "ragged_row", f"record {number} has {what}")
    text = "\n".join(block[: ends[0] + 1])
    with rdBase.BlockLogs():
        raw = _parse(text, sanitize=False)
        if raw is None:
            return Rejection(number, title, "ragged_row", f"record {number}: RDKit cannot read its mol block")
        if raw.GetNumAtoms() > MAX_ATOMS:
            detail = f"record {number} has {raw.GetNumAtoms()} atoms"
            return Rejection(number, title, "too_large", detail)
        # Sanitized first: only then are stereo centres perceived from the coordinates and wedges.
        mol = _parse(text, sanitize=True)
        return str(Chem.MolToSmiles(raw if mol is None else mol))


def _parse(text: str, *, sanitize: bool) -> Chem.Mol | None:
    try:
        return Chem.MolFromMolBlock(text, sanitize=sanitize, removeHs=sanitize)
    except (RuntimeError, ValueError):
        return None
