"""Kinds of file that are not tables, told by their first bytes."""

from __future__ import annotations

import re

from molmeta.errors import InputError

_PIPE = "unpack it, or pipe it: {} FILE | molmeta ... -"
_AS_TABLE = "give the table as CSV or Parquet"

_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (rb"PK\x03\x04|PK\x05\x06", "an Excel workbook or a zip archive", "save the sheet as CSV, or unpack it"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save the sheet as CSV"),
    (rb"\x1f\x8b", "compressed with gzip twice", "unpack it once more"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd", _PIPE.format("zstd -dc")),
    (rb"BZh[1-9]", "compressed with bzip2", _PIPE.format("bzip2 -dc")),
    (rb"\xfd7zXZ", "compressed with xz", _PIPE.format("xz -dc")),
    (rb"\x04\x22\x4d\x18", "compressed with lz4", _PIPE.format("lz4 -dc")),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|(?s:.{257})ustar", "an archive", "unpack it"),
    (rb"<datawarrior-fileinfo", "a DataWarrior file", "save it as text, with a column of SMILES"),
    (rb"%PDF-", "a PDF document", "give the table as CSV"),
    (rb"\{\\rtf", "a text document (RTF)", "give the table as CSV"),
    (
        rb"(?i:\s*<(?:!doctype|html|\?xml))",
        "a page of HTML or XML, as a login page is",
        "download or save it as CSV",
    ),
    (rb"\x89HDF", "an HDF5 file", _AS_TABLE),
    (rb"ARROW1\x00|FEA1[^ -~]", "an Arrow or Feather file", _AS_TABLE),
    (rb"ORC[^ -~\t]", "an ORC file", _AS_TABLE),
    (rb"PARE[^ -~\t]", "encrypted Parquet", "save it without encryption"),
    (
        rb'(?s:.{4})\x00{4}\{"',
        "a model (safetensors)",
        "this is the place of the compounds",
    ),
    (rb"SQLite format 3\x00", "an SQLite database", _AS_TABLE),
    (rb"\x93NUMPY", "a NumPy array", _AS_TABLE),
    (rb"\x80[\x02-\x05]", "a Python pickle, which is never opened", _AS_TABLE),
    (rb"VjCD0100", "a ChemDraw drawing", "save the structures as an SD file or as SMILES"),
    (rb"\s*@<TRIPOS>MOLECULE", "a mol2 file", "save the structures as an SD file or as SMILES"),
)
# PAR1 is a gene too, and may start the name of a column.
PARQUET = re.compile(rb"PAR1(?![ -~\t\r\n])")
_KINDS = [(re.compile(magic), what, advice) for magic, what, advice in _FOREIGN]
# What text does not hold, at least not where columns are named: C0 but for blanks, and C1.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def refuse_foreign(name: str, head: bytes) -> None:
    """Raises InputError where a file starts as one of another kind, with what it is and what to do."""
    for magic, what, advice in _KINDS:
        if magic.match(head):
            raise InputError(f"{name} is {what}; wanted .csv .tsv .smi .sdf or .parquet, also .gz: {advice}")


def refuse_control(name: str, cells: list[str]) -> None:
    """Raises InputError where the first row of a table holds control characters, as in a binary file."""
    for cell in cells:
        if (found := _CONTROL.search(cell)) is not None:
            raise InputError(
                f"{name}: the first row holds the control character U+{ord(found[0]):04X}; wanted text with "
                "tabs, commas or semicolons between the cells: it is a binary file, or has another delimiter"
            )
