"""How a text table is laid out: what comes before it, the delimiter, and whether there is a header."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from molmeta.chem.molecule import Molecule, Rejection
from molmeta.chem.smiles import read_smiles
from molmeta.data.delimited import Blanks, Layout, OneColumn, Separated, Smi, records
from molmeta.data.headers import says_header, says_smiles
from molmeta.data.labels import looks_numeric
from molmeta.errors import InputError
from molmeta.wording import counted

Lines = list[tuple[int, str]]
SAMPLE = 200
_TITLES = 20  # lines at the top that may be titles
# In order of preference: a comma may be a decimal sign or part of a name, a bar part of a CXSMILES.
DELIMITERS = ("\t", ";", ",", "|")
PADDING = "".join(DELIMITERS) + " \r\n"
SMI_SUFFIXES = (".smi", ".ism", ".can", ".smiles")
_STRUCTURAL = re.compile(r"[A-Za-z\[][A-Za-z0-9@+\-\[\]\\/().=#$:%*]*(?: \|.*\|)?")
_ATOMS = re.compile(r"(?:Cl|Br|[BCNOPSFIbcnops]|\[[^\[\]]*\]|[0-9%=#:/\\()@+.-])+")
_SEPARATOR = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)
_EXTENSION = re.compile(r" \|[^|]*\|")  # of CXSMILES; the bars and commas in it separate no columns


def prelude(lines: Lines) -> tuple[int, str | None]:
    """How many lines stand before the table, and the delimiter that a "sep=" line states.

    Comments (#), blank lines, a title with a blank line under it, and titles that a spreadsheet filled up
    with delimiters are passed over; a "#smiles ..." line is the header itself.

    >>> prelude([(1, "# from the plate reader"), (2, "sep=;"), (3, "smiles;y")])
    (2, ';')
    >>> prelude([(1, "Plate 7;;"), (2, "Date;3.12.;"), (3, ";;"), (4, "id;smiles;y")])
    (3, None)
    """
    stated = None
    titles = max(_titles(lines), _padded_titles(lines))
    for skipped, (_, text) in enumerate(lines):
        if (match := _SEPARATOR.fullmatch(text)) is not None:
            stated = match[1]
        elif skipped >= titles and text.strip() and not (is_comment(text) and not _names_smiles(text)):
            return skipped, stated
    return len(lines), stated


def _titles(lines: Lines) -> int:
    """How many lines a title takes: one without a delimiter, then a blank one, then a table.

    It may hold a delimiter, or be several lines, where the table has a column that is called SMILES, and it
    does not.
    """
    texts = [text.strip() for _, text in lines]
    start = next((i for i, text in enumerate(texts) if text), 0)
    block = list(itertools.takewhile(bool, texts[start:]))
    end = start + len(block)
    body = next((i for i in range(end, len(texts)) if texts[i]), None)
    if not block or end == len(texts) or is_comment(texts[start]):
        return 0
    if len(block) > 1:
        told = body is not None and len(block) <= _TITLES and _heads_smiles(texts[body])
        return body or 0 if told and not any(map(_may_be_table, block)) else 0
    if _delimited(texts[start]) and (
        body is None or _names_smiles(texts[start]) or not _names_smiles(texts[body])
    ):
        return 0
    structure = is_structure(texts[start].split(maxsplit=1)[0]) if texts[start] else True
    return 0 if body is None or structure or not _delimited(texts[body]) else body


def is_comment(text: str) -> bool:
    """Whether a line is a comment, also one that a spreadsheet put in quotes."""
    return text.removeprefix('"').startswith("#")


def _heads_smiles(text: str) -> bool:
    cells = re.split(r"[\t;,|]", text)
    return len(cells) > 1 and any(says_smiles(cell) and "smi" in cell.lower() for cell in cells)


def _may_be_table(text: str) -> bool:
    return _heads_smiles(text) or any(map(is_structure, re.split(r"[\t;,| ]", text)))


def _padded_titles(lines: Lines) -> int:
    """How many lines titles and empty rows take that a spreadsheet filled up to the width of the table.

    Titles end at an empty row; without one they are the rows of one filled cell, at the top.
    """
    start = next((i + 1 for i, (_, text) in enumerate(lines[:_TITLES]) if _SEPARATOR.fullmatch(text)), 0)
    texts = [text.rstrip("\r\n") for _, text in lines[start : start + _TITLES]]
    for delimiter in DELIMITERS:
        rows = [[cell.strip('" ') for cell in text.split(delimiter)] for text in texts]
        padded = list(itertools.takewhile(_is_padded, rows))
        alone = len(list(itertools.takewhile(lambda row: sum(map(bool, row)) < 2, padded)))
        count = max([alone, *(i + 1 for i, row in enumerate(padded) if not any(row))])
        top = rows[count] if count < len(rows) else []
        if count and sum(map(bool, top)) > 1 and all(len(row) == len(top) for row in padded[:count]):
            return start + count
    return 0


def _is_padded(row: Sequence[str]) -> bool:
    """Whether a row ends with an empty cell, and holds neither a structure nor its title."""
    return len(row) > 1 and not row[-1] and not any(says_smiles(cell) or is_structure(cell) for cell in row)


def _delimited(text: str) -> bool:
    return any(delimiter in text for delimiter in DELIMITERS)


def _names_smiles(text: str) -> bool:
    cells = re.split(r"[\t;,| ]+", text.strip("# \r\n"))
    return len(cells) > 1 and any(says_smiles(cell) and "smi" in cell.lower() for cell in cells[:3])


def commented_header(before: Lines, layout: Layout, width: int) -> tuple[str, ...]:
    """Names of columns in the comment right before a table, such as "#ID,Structure,IC50"; else ().

    >>> commented_header([(1, "#\tID\tMol")], Separated("\t"), 3)
    ('#', 'ID', 'Mol')
    """
    if not before or width < 2 or not before[-1][1].startswith("#"):
        return ()
    found = next(records(iter([(0, before[-1][1].removeprefix("#"))]), layout, width), None)
    if found is None or isinstance(found[1], Rejection) or not any(map(says_header, found[1])):
        return ()
    first, *others = found[1]
    return first.strip() or "#", *others


def choose_layout(lines: Lines, suffix: str) -> Layout:
    """The layout under which most rows have the same number of cells as the first.

    Delimiter and decimal sign are decided together by this: in "CCO;1,5" under a header "smiles;ic50" a comma
    cuts the rows but not the header, so it is a decimal sign.
    """
    if (suffix in SMI_SUFFIXES or (not suffix and _lists_structures(lines))) and _columns(lines) < 3:
        return Blanks() if _agreement(lines, Blanks())[0] == 1 and _names_smiles(lines[0][1]) else Smi()
    scores = {d: _agreement(lines, Separated(d)) for d in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: scores[d][0])
    if scores[best][0] >= 0.5:
        return Separated(best)
    if _names_smiles(lines[0][1]) and _agreement(lines, Blanks())[0] == 1:
        return Blanks()
    if lines[0][1].startswith('"') and _agreement(lines, Separated(" "))[0] >= 0.5:
        return Separated(" ")
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


def with_row_names(top: Sequence[str], sample: Sequence[Sequence[str]]) -> list[str]:
    """The header, with a name for the names of rows that R writes without one, before all named columns.

    >>> with_row_names(["smiles", "y"], [["1", "CCO", "5.1"], ["2", "CCN", "4.2"]])
    ['row', 'smiles', 'y']
    """
    rows = [cells for cells in sample if len(cells) == len(top) + 1]
    named = [i for i, cell in enumerate(top) if says_smiles(cell) and "smi" in cell.lower()]
    if not named or len(rows) < len(sample) or len({row[0] for row in rows}) < len(rows):
        return list(top)
    shifted = sum(is_structure(row[named[0] + 1]) and not is_structure(row[named[0]]) for row in rows)
    return ["row", *top] if shifted * 2 > len(rows) else list(top)


def describe(layout: Layout, named: bool) -> str:
    """The layout in words."""
    kinds = {
        "\t": "tab-separated",
        ";": "semicolon-separated",
        ",": "comma-separated",
        "|": "bar-separated",
        " ": "blank-separated",
    }
    by = {Smi: "SMILES and names", Blanks: "blank-separated", OneColumn: "one column"}
    what = (
        kinds.get(layout.delimiter, f"separated by {layout.delimiter!r}")
        if type(layout) is Separated
        else by[type(layout)]
    )
    return f"{what}, {'with' if named else 'without'} a header"
