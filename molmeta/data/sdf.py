"""Records of an SD file as rows: the structure as SMILES, the title, and the data fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from molmeta.chem.molecule import Rejection
from molmeta.data.delimited import Unreadable
from molmeta.data.late import Late
from molmeta.data.molblock import is_one, read_structure
from molmeta.data.source import Source, ahead, text_lines

RECORD_LIMIT = 1 << 20
# Data fields are taken from this many records; a field that first appears later is left out, and noted.
SCHEMA_RECORDS = 500

Record = list[str] | Rejection | Unreadable
STRUCTURE, TITLE = "structure", "name"
Fields = dict[str, str]
# "> <name>", ">  25  <name>  (7)", "> DT12"; not the value ">5 and <10", nor ">30".
_HEADER = re.compile(r">(?:\s+[^<>]*|)<(?P<name>.*)>[^<>]*|>\s+(?P<number>DT\d+)\s*")


def read_sdf(source: Source) -> tuple[tuple[str, ...], Iterator[tuple[int, Record]]]:
    """Header and records of an SD file (V2000 or V3000, any line end).

    Returns
    -------
    header : tuple of str
        "structure", "name", then the data fields in the order in which they appear.
    records : iterator of (record number, cells or Rejection)
        The structure is a SMILES, unsanitized where RDKit cannot sanitize it, so that reading it says why. A
        record of a structure that cannot be read at all keeps its name and its fields.
    """
    blocks: Iterator[tuple[int, list[str]]] = enumerate(_blocks(text_lines(source)), 1)
    first, blocks = ahead(blocks, lambda seen: len(seen) >= SCHEMA_RECORDS)
    names = list(dict.fromkeys(name for _, block in first for name in _fields(block)[0]))
    return (STRUCTURE, TITLE, *names), _records(source, blocks, names)


def _records(
    source: Source, blocks: Iterator[tuple[int, list[str]]], names: list[str]
) -> Iterator[tuple[int, Record]]:
    late = Late(source.notes, names)
    stray = False
    for number, block in blocks:
        fields, outside = _fields(block)
        late.see(fields, f"data field '{{}}' first appears in record {number}")
        if outside and not stray:
            stray = True
            source.notes.append(
                f"record {number} has lines outside its data fields, such as '{outside[:60]}': such lines "
                "are left out (a blank line ends a field)"
            )
        structure = read_structure(number, block)
        others = [block[0].strip(), *(fields.get(name, "") for name in names)]
        if not isinstance(structure, Rejection):
            yield number, [structure, *others]
        elif is_one(block):
            yield number, Unreadable(["", *others], structure)
        else:
            yield number, structure


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


def _fields(block: list[str]) -> tuple[Fields, str]:
    """Data fields `> <name>`, and the first line that is in none.

    A value of several lines keeps its line ends. A field that comes twice has both values, on lines of their
    own, unless these are the same: which of them is meant is not for a reader to say.
    """
    start = next((i for i, text in enumerate(block) if text.startswith("M  END")), len(block)) + 1
    values: dict[str, list[list[str]]] = {}
    name: str | None = None
    outside = ""
    for text in block[start:]:
        if (found := _HEADER.fullmatch(text)) is not None:
            name = found["name"] or found["number"] or ""
            values.setdefault(name, []).append([])
        elif not text.strip():
            name = None
        elif name is not None:
            values[name][-1].append(text)
        else:
            outside = outside or text
    joined = {name: dict.fromkeys("\n".join(lines) for lines in found) for name, found in values.items()}
    return {name: "\n".join(filter(None, found)) for name, found in joined.items()}, outside
