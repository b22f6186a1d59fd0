"""How a text table is laid out: what comes before it, the delimiter, and whether there is a header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles
from molmeta.data.delimited import Blanks, Layout, OneColumn, Separated, Smi, records
from molmeta.data.headers import says_header, says_smiles
from molmeta.data.labels import looks_numeric
from molmeta.errors import InputError
from molmeta.wording import counted

Lines = list[tuple[int, str]]
SAMPLE = 200
# In order of preference: a comma may be a decimal sign or part of a name, a bar part of a CXSMILES.
DELIMITERS = ("\t", ";", ",", "|")
PADDING = "".join(DELIMITERS) + " \r\n"
SMI_SUFFIXES = (".smi", ".ism", ".can", ".smiles")
_STRUCTURAL = re.compile(r"[A-Za-z\[][A-Za-z0-9@+\-\[\]\\/().=#$:%*]*(?: \|.*\|)?")
_ATOMS = re.compile(r"(?:Cl|Br|[BCNOPSFIbcnops]|\[[^\[\]]*\]|[0-9%=#:/\\()@+.-])+")
_EXTENSION = re.compile(r" \|[^|]*\|")  # of CXSMILES; the bars and commas in it separate no columns


def is_delimited(text: str) -> bool:
    """Whether a line holds a delimiter."""
    return any(delimiter in text for delimiter in DELIMITERS)


def names_smiles(text: str) -> bool:
    """Whether a line is a header with SMILES among its first titles."""
    cells = re.split(r"[\t;,| ]+", text.strip("# \r\n"))
    return len(cells) > 1 and any(says_smiles(cell) and "smi" in cell.lower() for cell in cells[:3])


def choose_layout(lines: Lines, suffix: str) -> Layout:
    """The layout under which most rows have the same number of cells as the first.

    Delimiter and decimal sign are decided together by this: in "CCO;1,5" under a header "smiles;ic50" a comma
    cuts the rows but not the header, so it is a decimal sign.
    """
    if (suffix in SMI_SUFFIXES or (not suffix and _lists_structures(lines))) and _columns(lines) < 3:
        return Blanks() if _agreement(lines, Blanks())[0] == 1 and names_smiles(lines[0][1]) else Smi()
    scores = {d: _agreement(lines, Separated(d))[0] for d in DELIMITERS}
    best = max(scores.values())
    if best >= 0.5:
        tied = [d for d in DELIMITERS if scores[d] == best]
        return Separated(tied[0] if len(tied) == 1 else max(tied, key=lambda d: _sense(lines, Separated(d))))
    if names_smiles(lines[0][1]) and _agreement(lines, Blanks())[0] == 1:
        return Blanks()
    return Smi() if _blank_separated(lines) else OneColumn()


def _lists_structures(lines: Lines) -> bool:
    """Whether lines are those of a .smi file, where no file name says so: structures, and names if anything.

    A number, or a word that comes again and again, is no name: that may be a table of labels.
    """
    rows = [text.split(maxsplit=1) for _, text in lines if text.strip()][:20]
    names = [row[1].strip() for row in rows if len(row) == 2]
    if any(map(says_header, rows[0])) or (names and all(map(looks_numeric, names))):
        return False
    structures = sum(is_structure(row[0]) for row in rows)
    if structures * 2 < len(rows) or structures <= sum(map(is_structure, names)):
        return False
    return len(set(names)) * 2 >= len(names)


def _columns(lines: Lines) -> int:
    """The most columns into which a delimiter cuts at least half of the lines."""
    bare = [(number, _EXTENSION.sub("", text)) for number, text in lines]
    found = [_agreement(bare, Separated(delimiter)) for delimiter in DELIMITERS]
    return max((columns for share, columns in found if share >= 0.5), default=1)


def _agreement(lines: Lines, layout: Layout) -> tuple[float, int]:
    """Share of records with the commonest number of cells (less where the first differs), and that number."""
    found = [cells for _, cells in records(iter(lines), layout, None)][:SAMPLE]
    counts = Counter(len(cells) for cells in found if isinstance(cells, list) and len(cells) > 1)
    if not counts:
        return 0.0, 1
    columns, times = counts.most_common(1)[0]
    fits = isinstance(found[0], list) and len(found[0]) == columns
    return times / len(found) * (1.0 if fits else 0.75), columns


def _sense(lines: Lines, layout: Layout) -> int:
    """How many of the first records have a cell that is a structure, or the title of one; of short tables."""
    found = [cells for _, cells in records(iter(lines), layout, None)][:20]
    return sum(isinstance(cells, list) and any(map(_makes_sense, cells)) for cells in found)


def _makes_sense(cell: str) -> bool:
    return is_structure(cell) or (says_smiles(cell) and not is_delimited(cell))


def _blank_separated(lines: Lines) -> bool:
    rows = [text.split(maxsplit=1) for _, text in lines if text.strip()]
    pairs = [row for row in rows if len(row) == 2]
    return len(pairs) * 2 >= len(rows) and all(_STRUCTURAL.fullmatch(row[0]) for row in pairs[:20])


def check_width(name: str, top: Sequence[str], sample: Sequence[Sequence[str]]) -> None:
    """Stop where the rows agree with each other but not with the header: every cell might be shifted.

    Raises
    ------
    InputError
        With both numbers of cells.
    """
    widths = Counter(len(cells) for cells in sample)
    width, times = widths.most_common(1)[0] if widths else (len(top), 0)
    if width == len(top) or times * 2 <= len(sample):
        return
    raise InputError(
        f"{name}: the first row has {counted(len(top), 'cell')}, but {times} of {len(sample)} rows after it "
        f"have {width}; wanted as many in each: quote the cells that hold the delimiter (a decimal comma?), "
        "or name every column"
    )


def has_header(top: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it holds no structure where the others do, and no number.

    A structure that cannot be read is one too, if it is spelled with nothing but atoms, bonds and rings.
    """
    below = [row for row in sample if len(row) == len(top)]
    for column, cell in enumerate(top):
        if says_smiles(cell) and "smi" in cell.lower():
            return True
        others = [row[column] for row in below[:20]]
        spelled = is_structure(cell) or (bool(others) and _is_spelled(cell))
        if spelled and sum(map(is_structure, others)) * 2 >= len(others):
            return False
    return any(map(says_header, top)) or not any(map(looks_numeric, top))


def _is_spelled(cell: str) -> bool:
    """Whether a cell is spelled as only structures are, readable or not."""
    return len(cell) > 3 and not cell.isalpha() and bool(_ATOMS.fullmatch(cell)) and not says_header(cell)


def is_structure(cell: str) -> bool:
    """Whether a cell reads as SMILES."""
    cell = cell.strip()
    return bool(_STRUCTURAL.fullmatch(cell)) and isinstance(read_smiles(0, cell), Molecule)


def describe(layout: Layout, named: bool) -> str:
    """The layout in words."""
    kinds = {"\t": "tab-separated", ";": "semicolon-separated", ",": "comma-separated", "|": "bar-separated"}
    by = {Smi: "SMILES and names", Blanks: "blank-separated", OneColumn: "one column"}
    what = (
        kinds.get(layout.delimiter, f"separated by {layout.delimiter!r}")
        if type(layout) is Separated
        else by[type(layout)]
    )
    return f"{what}, {'with' if named else 'without'} a header"
