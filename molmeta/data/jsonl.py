"""JSON lines as rows: one object a line, its fields as columns. Lists and objects inside it are no cells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from molmeta.chem.molecule import Rejection
from molmeta.data.late import Late
from molmeta.data.parquet import as_text
from molmeta.data.source import Source, ahead, text_lines
from molmeta.errors import InputError

# Fields are taken from this many lines; one that first appears later is left out, and noted.
SCHEMA_LINES = 500
_START = re.compile(rb"\s*\{\s*\"")
_ARRAY = re.compile(rb"\s*\[\s*\{")

Fields = dict[str, object]


def is_jsonl(source: Source) -> bool:
    """Whether a file starts with a JSON object, or says by its name that it holds some.

    Raises
    ------
    InputError
        It is one JSON array of objects.
    """
    if _ARRAY.match(source.head):
        raise InputError(f"{source.name} is one JSON array; wanted one object a line (.jsonl), or CSV")
    named = source.suffix in (".jsonl", ".ndjson") and bool(source.head.strip())
    return named or _START.match(source.head) is not None


def read_jsonl(source: Source) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str] | Rejection]]]:
    """Header and records of JSON lines; a line that is no object is a `Rejection`.

    Numbers are kept as they are spelled, since they may be names.

    Raises
    ------
    InputError
        None of the first lines is an object with a field that holds text or a number.
    """
    lines = ((number, text) for number, text in enumerate(text_lines(source), 1) if text.strip())
    read: Iterator[tuple[int, Fields | Rejection]] = (
        (number, _object(number, text)) for number, text in lines
    )
    first, read = ahead(read, lambda seen: len(seen) >= SCHEMA_LINES)
    values: dict[str, list[object]] = {}
    for _, found in first:
        for name, value in found.items() if isinstance(found, dict) else ():
            values.setdefault(name, []).append(value)
    names = [name for name, own in values.items() if not _holds_lists(own)]
    if left_out := [name for name in values if name not in names]:
        source.notes.append(f"fields that hold lists are left out: {', '.join(left_out)}")
    if not names:
        top = first[0][1] if first else None
        why = top.detail if isinstance(top, Rejection) else "its fields hold lists or objects"
        raise InputError(f"{source.name} is no table of JSON lines ({why}); wanted one flat object a line")
    return tuple(names), _records(source, read, names)


def _records(
    source: Source, read: Iterator[tuple[int, Fields | Rejection]], names: list[str]
) -> Iterator[tuple[int, list[str] | Rejection]]:
    late = Late(source.notes, names)
    for number, found in read:
        if isinstance(found, Rejection):
            yield number, found
            continue
        flat = (name for name, value in found.items() if not isinstance(value, list | dict))
        late.see(flat, f"field '{{}}' first appears in line {number}")
        yield number, [_cell(found.get(name)) for name in names]


def _object(number: int, text: str) -> Fields | Rejection:
    try:
        found = _DECODER.decode(text.strip())
    except (ValueError, RecursionError) as error:
        return Rejection(0, text[:200].rstrip(), "ragged_row", f"line {number} is no JSON: {error}")
    if not isinstance(found, dict):
        return Rejection(0, text[:200].rstrip(), "ragged_row", f"line {number} is no JSON object")
    return found


def _fields(pairs: list[tuple[str, object]]) -> Fields:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the field '{twice[:60]}' twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_fields, parse_float=str, parse_int=str, parse_constant=str)


def _holds_lists(values: list[object]) -> bool:
    """Whether a field holds lists or objects wherever it holds anything."""
    found = [isinstance(value, list | dict) for value in values if value is not None]
    return bool(found) and all(found)


def _cell(value: object) -> str:
    return "" if isinstance(value, list | dict) else as_text(value)
