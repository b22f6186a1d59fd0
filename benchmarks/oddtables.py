"""Tables that are valid and odd, with what they hold: see `rows.py` and tests/hostile/test_rows.py.

Everything is drawn from one `random.Random`, so that a table is told by its seed.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, rdBase

STRUCTURES = (
    "CCO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccncc1", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "C[C@H](N)C(=O)O",
    "OC(=O)c1ccccc1", "NCCc1ccc(O)c(O)c1", "[Na+].CC(=O)[O-]", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "C1CCNCC1",
    "Clc1ccccc1", "FC(F)(F)c1ccccc1", "CS(=O)(=O)N", "O=C1CCCN1", "c1ccc2[nH]ccc2c1", "CCCCCCCCCC",
)  # fmt: skip
BROKEN = ("C1CC", "c1ccccc", "xx!", "CCССO", "C" * 3000, "[#6]~*", "CC>>CO", "", "nan", "-")
# What a cell may hold in a file of the lab: each of these was changed by some reader.
CELLS = (
    "00123", "1e5", "NA", "nan", "None", "null", "", " ", "-", "=1+1", "@cmd", "+49 30", "-5", "1,5", "2,25",
    "1.000,5", "a,b", "a;b", "a|b", "a\tb", 'say "hi"', '"', '""', "'", "O'Neil", "line\nbreak", "a\r\nb",
    "ends\n", "\nstarts", "µM", "naïve", "化合物", "🧪", "\u202eabc", "\u2028", "\x85", "\x0b", "\x1f", "#1",
    "# no", "sep=;", "<script>", "[bold]", "[nH]", "\\", "\\N", "%s", "{}", "$$$$", "M  END", "> <x>", ">30",
    "x" * 500, "9" * 40, "0x1F", "TRUE", "1/2/2026", "2026-01-02", "CHEMBL25", "é", "e\u0301", "\ufeff",
    "\u200b", "end ",
)  # fmt: skip
TITLES = (
    "id", "ID", "Compound ID", "name", "", " ", "price", "note", "note", "IC50 (nM)", "µ", "a,b", 'a "b"',
    "化", "unnamed: 0", "#", "%", "x" * 300, "1", "id.1", "_private", "a\nb",
)  # fmt: skip
DELIMITED = {",": ".csv", "\t": ".tsv", ";": ".csv", "|": ".txt"}
LATIN = "cp1252"


@dataclass(frozen=True)
class OddTable:
    """A file and what a reader must find in it.

    Attributes
    ----------
    name : str
        With the extension.
    data : bytes
    header : tuple of str
    rows : tuple of tuple of str
        Cells, verbatim.
    structures : int
        Column of the structures.
    written : bool
        Whether that column is verbatim too; an SD file has blocks in its place.
    """

    name: str
    data: bytes
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    structures: int
    written: bool = True


def odd_table(random: Random) -> OddTable:
    """A table of any of the kinds that are read, packed or not."""
    table = random.choice(KINDS)(random)
    if random.random() < 0.3:
        return OddTable(**{**vars(table), "name": f"{table.name}.gz", "data": packed(random, table.data)})
    return table


def packed(random: Random, data: bytes) -> bytes:
    """gzip, in one piece, in several, or filled up with zeros."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 3))))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return b"".join(map(gzip.compress, pieces)) + b"\0" * random.choice((0, 0, 512))


def delimited(random: Random) -> OddTable:
    """CSV, TSV and the like, in some encoding, with some line ends, quotes, comments, with a header or none."""
    delimiter = random.choice(list(DELIMITED))
    header, rows, at = content(random, CELLS, TITLES)
    named = random.random() < 0.8
    if not named:
        rows = [(*row[:at], random.choice(STRUCTURES), *row[at + 1 :]) for row in rows] or []
    if not rows or (not named and len(header) < 2 and len(rows) < 2):
        named = True
    end = random.choice(("\n", "\r\n", "\r"))
    quoting = random.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL))
    lines = [_line(row, delimiter, quoting) for row in ([header, *rows] if named else rows)]
    first = f"sep={delimiter}{end}" if named and random.random() < 0.1 else ""
    first += f"# from the reader{end}" * (named and random.random() < 0.15)
    blank = random.random() < 0.1
    text = first + "".join(line + _end(random, end) + end * (blank and i > 0) for i, line in enumerate(lines))
    text = text.rstrip("\r\n") if random.random() < 0.1 and not text.rstrip("\r\n").endswith('"') else text
    told = tuple(header) if named else tuple(f"column_{i}" for i in range(1, len(header) + 1))
    return OddTable(f"odd{DELIMITED[delimiter]}", encoded(random, text), told, tuple(rows), at)


def smi(random: Random) -> OddTable:
    """SMILES and names between blanks."""
    names = [name for name in CELLS if not set(name) & set("\n\r|") and name == name.strip(" \t\ufeff")]
    _, rows, _ = content(random, names, ("name",))
    pairs = [(random.choice(STRUCTURES) if i == 0 else row[0] or "C", row[1]) for i, row in enumerate(rows)]
    pairs = [(one.replace(" ", ""), " ".join(name.split("\t"))) for one, name in pairs]
    between = random.choice((" ", "\t"))
    text = "".join(f"{one}{between}{name}\n" if name else f"{one}\n" for one, name in pairs)
    return OddTable("odd.smi", encoded(random, text, (8,)), ("smiles", "name"), tuple(pairs), 0)


def jsonl(random: Random) -> OddTable:
    """One object a line; what is missing is null, or left out."""
    header, rows, at = content(random, CELLS, tuple(dict.fromkeys(TITLES)))
    rows = rows or [("CCO",) * len(header)]
    lines = []
    for i, row in enumerate(rows):
        found: dict[str, Any] = dict(zip(header, row, strict=True))
        if i and random.random() < 0.3:
            found = {name: cell or None for name, cell in found.items() if cell or random.random() < 0.5}
        lines.append(json.dumps(found, ensure_ascii=random.random() < 0.5))
    text = "".join(line + random.choice(("\n", "\r\n", "\n\n")) for line in lines)
    return OddTable("odd.jsonl", encoded(random, text, (8, 16)), tuple(header), tuple(rows), at)


def parquet(random: Random) -> OddTable:
    """Text, dictionaries, numbers and nothing, in row groups of any size."""
    header, rows, at = content(random, CELLS, tuple(dict.fromkeys(TITLES)))
    columns: list[pa.Array] = []
    cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in header]
    for i, column in enumerate(cells):
        kind = "text" if i == at else random.choice(("text", "text", "dictionary", "whole", "null"))
        if kind == "whole":
            column[:] = [str(random.randrange(-(10**18), 10**18)) for _ in column]
            columns.append(pa.array([int(one) for one in column], pa.int64()))
        elif kind == "null":
            column[:] = [one if random.random() < 0.5 else "" for one in column]
            columns.append(pa.array([one or None for one in column], pa.large_string()))
        else:
            found = pa.array(column, pa.string())
            columns.append(found.dictionary_encode() if kind == "dictionary" else found)
    table = pa.Table.from_arrays(columns, names=list(header))
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=random.choice((1, 2, 1000)))
    held = tuple(zip(*cells, strict=True)) if rows else ()
    name = random.choice(("odd.parquet", "odd.csv", "odd"))
    return OddTable(name, stream.getvalue(), tuple(header), held, at)


def sdf(random: Random) -> OddTable:
    """Records of both versions, some of them broken, with titles and fields."""
    plain = [cell for cell in CELLS if _fits_record(cell)]
    names = [name for name in dict.fromkeys(TITLES) if name.strip() and not set(name) & set("\n<>")]
    header, rows, at = content(random, plain, names)
    fields = [name for i, name in enumerate(header) if i != at]
    records, held = [], []
    for row in rows:
        title, smiles = random.choice(plain).strip(), row[at]
        cells = [cell for i, cell in enumerate(row) if i != at]
        with rdBase.BlockLogs():
            mol = Chem.MolFromSmiles(smiles) or Chem.Mol()
            block = Chem.MolToMolBlock(mol, includeStereo=False, forceV3000=random.random() < 0.3)
        data = "".join(f">  <{name}>\n{cell}\n\n" for name, cell in zip(fields, cells, strict=True))
        records.append(f"{title}{block[block.index(chr(10)) :]}{data}$$$$\n")
        held.append(("", title, *cells))
    text = "".join(records).replace("\n", random.choice(("\n", "\r\n")))
    told = ("structure", "name", *(fields if rows else ()))
    return OddTable("odd.sdf", encoded(random, text, (8,)), told, tuple(held), 0, written=False)


KINDS: tuple[Callable[[Random], OddTable], ...] = (delimited, delimited, smi, jsonl, parquet, sdf)


def content(
    random: Random, cells: Sequence[str], titles: Sequence[str]
) -> tuple[list[str], list[tuple[str, ...]], int]:
    """Titles, rows and the column of structures; of 0 to 20 rows."""
    names = random.sample(list(titles), min(random.randrange(5) or len(titles) == 1, len(titles)))
    at = 0 if len(titles) == 1 else random.randrange(len(names) + 1)
    header = [*names[:at], "smiles", *names[at:]]
    rows = []
    for _ in range(random.choice((0, 1, 2, 5, 20))):
        smiles = random.choice(STRUCTURES if random.random() < 0.9 else BROKEN)
        row = [random.choice(cells) for _ in names]
        rows.append((*row[:at], smiles, *row[at:]))
    return header, rows * (2 if random.random() < 0.1 else 1), at


def encoded(random: Random, text: str, widths: Sequence[int] = (8, 8, 16, 1)) -> bytes:
    """In UTF-8 with and without a mark, in UTF-16, or in Windows-1252 where that holds all of it."""
    width = random.choice(widths)
    if width == 16 and text:
        mark, name = random.choice(((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")))
        return mark + text.encode(name)
    if width == 1:
        try:
            data = text.encode(LATIN)
            data.decode("utf-8")  # if it is that too, it is read as that
        except UnicodeEncodeError:
            pass
        except UnicodeDecodeError:
            # Lines are told apart one by one, so none may be both.
            if all(_is_one(line) for line in data.splitlines()):
                return data
    return (codecs.BOM_UTF8 if random.random() < 0.2 and text else b"") + text.encode()


def _is_one(line: bytes) -> bool:
    try:
        return line.decode("utf-8") == line.decode(LATIN)
    except UnicodeDecodeError:
        return True


def _line(cells: Sequence[str], delimiter: str, quoting: int) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n", quoting=quoting).writerow(cells)  # type: ignore[arg-type]
    text = buffer.getvalue().removesuffix("\r\n")
    # A line that is a comment, a statement or nothing must be quoted to be a row.
    plain = text.strip(" ") and not text.startswith(("#", "sep=", "\ufeff"))
    return text if plain else _line(cells, delimiter, csv.QUOTE_ALL)


def _end(random: Random, end: str) -> str:
    """A line end; files that were edited on two systems mix them."""
    return random.choice(("\n", "\r\n")) if end != "\r" and random.random() < 0.05 else end


def _fits_record(cell: str) -> bool:
    """Whether a value can stand in a record: in one line, not blank, no part of the record itself."""
    return (
        bool(cell.strip())
        and not set(cell) & set("\n\r")
        and not cell.startswith(("$$$$", "M  END", "> <", "\ufeff"))
    )
