"""Scored rows come back from every format, whatever their cells hold and wherever the parts were cut."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from molmeta.data.library import read_library
from molmeta.errors import ConfigError
from molmeta.scoring.digits import rounded, spelled
from molmeta.scoring.formats import FORMATS, TEXTS, Text, format_of
from molmeta.scoring.parquet import GROUP
from molmeta.scoring.sdf import MAX_DRAWN

HEADER = ("smiles", "id", "note")
SMILES = ["CCO", None, "C[C@H](N)C(=O)O", "F/C=C/Cl"]
CELLS = [
    ("OCC", "00123", "=1+1"),
    ("C1CC", "NA", ""),
    ("N[C@@H](C)C(O)=O", "1e5", 'a,"b"\t'),
    ("FC=CCl", "é", "-5"),
]
SCORED = pd.DataFrame(
    {
        "mm_status": pd.Series(["ok", "invalid_smiles", "ok", "ok"], dtype="str"),
        "mm_smiles": pd.Series(SMILES, dtype="str"),
        "mm_score": [0.123456789, math.nan, -1234567.0, 1.0],
        "mm_low": [-math.inf, math.nan, 1.5e-7, -0.0],
        "mm_call": pd.array([1, None, 0, 1], dtype="Int64"),
        "mm_in_domain": pd.array([True, None, False, True], dtype="boolean"),
        "mm_set": pd.Series(["active", None, "either", 'x\\"y'], dtype="str"),
    }
)
EMPTY = SCORED.iloc[:0]
NAMES = [*HEADER, *SCORED]

# Texts made of what means something to one of the formats.
FRAGMENTS = [
    "$$$$",
    "M  END",
    "> <id>",
    ">",
    "\n",
    "\r\n",
    "\r",
    '"',
    ",",
    "\t",
    " ",
    "%s",
    "{",
    "\\",
    "\u2028",
    "\x85",
    "\x0b",
]
hostile = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=5).map("".join)
rows = st.lists(st.tuples(hostile, hostile, hostile), max_size=4)


def scored(n: int) -> pd.DataFrame:
    return SCORED.iloc[[i % len(SCORED) for i in range(n)]]


def smiles(n: int) -> list[str | None]:
    return [SMILES[i % len(SMILES)] for i in range(n)]


def encoded(
    ending: str, cells: Sequence[Sequence[str]], cuts: Sequence[int] = (), header: Sequence[str] = HEADER
) -> list[bytes]:
    """Parts of the rows, cut before the row numbers given."""
    layout, borders = FORMATS[ending](header, EMPTY), [0, *sorted(cuts), len(cells)]
    values, structures = scored(len(cells)), smiles(len(cells))
    return [layout.encode(cells[a:b], values.iloc[a:b], structures[a:b]) for a, b in pairwise(borders)]


def written(
    ending: str, cells: Sequence[Sequence[str]], cuts: Sequence[int] = (), header: Sequence[str] = HEADER
) -> bytes:
    stream = io.BytesIO()
    FORMATS[ending](header, EMPTY).join(encoded(ending, cells, cuts, header), stream)
    return stream.getvalue()


def table(data: bytes, delimiter: str = ",") -> list[list[str]]:
    text = data.decode("utf-8", "surrogateescape")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))


def records(data: bytes, path: Path) -> list[Chem.Mol]:
    """Records of an SD file, read in both of RDKit's ways."""
    path.write_bytes(data)
    forward = list(Chem.ForwardSDMolSupplier(io.BytesIO(data)))
    indexed = list(Chem.SDMolSupplier(str(path))) if data else []
    assert [properties(mol) for mol in forward] == [properties(mol) for mol in indexed]
    return forward


def properties(mol: Chem.Mol) -> dict[str, str]:
    return {name: mol.GetProp(name) for name in mol.GetPropNames()}


def flat(text: str) -> list[str]:
    """What an SD file keeps of a text."""
    return [line.strip() for line in re.split("\r\n|\r|\n", text) if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


# Numbers

numbers = st.floats() | st.builds(
    # Numbers half way between two of 6 digits, and their neighbours.
    lambda half, power, steps: float(np.float64(half / 2 * 10.0**power) * (1 + steps * 2.0**-52)),
    st.integers(0, 2 * 10**6), st.integers(-30, 30), st.integers(-2, 2),
)  # fmt: skip


@given(st.lists(numbers))
@settings(deadline=None)
def test_rounding_is_that_of_python_to_the_last_bit(values: list[float]):
    found = rounded(np.array(values, dtype=np.float64))
    wanted = np.array([float(f"{value:.6g}") for value in values], dtype=np.float64)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.signbit(found)[~np.isnan(found)], np.signbit(wanted)[~np.isnan(wanted)])


@given(st.lists(numbers))
@settings(deadline=None)
def test_numbers_are_spelled_as_python_does(values: list[float]):
    texts = spelled(rounded(np.array(values, dtype=np.float64)), "", "{:.6g}".format)
    assert texts == ["" if value != value else f"{value:.6g}" for value in values]


# Every format


@pytest.mark.parametrize("ending", FORMATS)
def test_equal_rows_give_equal_bytes(ending: str):
    assert written(ending, CELLS) == written(ending, CELLS)
    reindexed = SCORED.set_axis(["d", "c", "b", "a"], axis=0)
    assert FORMATS[ending](HEADER, EMPTY).encode(CELLS, reindexed, SMILES) == encoded(ending, CELLS)[0]


@pytest.mark.parametrize("ending", [*TEXTS, ".parquet"])
@given(rows, st.sets(st.integers(0, 4)))
@settings(max_examples=20, deadline=None)
def test_the_file_does_not_show_where_its_parts_were_cut(
    ending: str, cells: list[tuple[str, ...]], cuts: set[int]
):
    assert written(ending, cells, [min(cut, len(cells)) for cut in cuts]) == written(ending, cells)


@pytest.mark.parametrize("ending", TEXTS)
def test_gzip_unpacks_to_the_plain_file_and_tells_no_time(ending: str):
    packed = written(f"{ending}.gz", CELLS, [1, 1, 3])
    assert gzip.decompress(packed) == written(ending, CELLS)
    # Bytes 3 to 7 of a member: no flag, so no name; no time.
    assert packed.startswith(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    first, none, *_ = encoded(f"{ending}.gz", CELLS, [1, 1, 3])
    assert first.startswith(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    assert none == b""
    assert gzip.decompress(written(f"{ending}.gz", [])) == written(ending, [])


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("parts", ["none", "one without rows"])
def test_no_rows_are_a_file_with_all_columns(ending: str, parts: str):
    layout, stream = FORMATS[ending](HEADER, EMPTY), io.BytesIO()
    layout.join([] if parts == "none" else [layout.encode([], EMPTY, [])], stream)
    data = gzip.decompress(stream.getvalue()) if ending.endswith(".gz") else stream.getvalue()
    if ending == ".parquet":
        found = pq.read_table(io.BytesIO(data))
        assert (found.column_names, len(found)) == (NAMES, 0)
    elif ending.startswith((".csv", ".tsv")):
        assert table(data, "\t" if "tsv" in ending else ",") == [NAMES]
    else:
        assert data == b""


@pytest.mark.parametrize("ending", FORMATS)
def test_lone_surrogates_are_no_obstacle(ending: str, folder: Path):
    cells = [("CCO", "caf\udce9", "\ud800"), ("CCN", "\udfff\udc80", "ok")]
    data = written(ending, cells, header=("smiles", "id\udce9", "\ud800"))
    if ending in (".csv", ".tsv"):
        lines = data.splitlines()
        assert b"id\xe9" in lines[0]
        assert b"caf\xe9" in lines[1]
        assert b"?\x80" in lines[2]
    elif ending == ".jsonl":
        first = json.loads(data.splitlines()[0].decode("utf-8"))
        assert (first["id?"], first["?"]) == ("caf?", "?")
    elif ending == ".sdf":
        assert records(data, folder / "surrogates.sdf")[0].GetProp("id?") == "caf?"
    elif ending == ".parquet":
        assert pq.read_table(io.BytesIO(data))["id?"].to_pylist() == ["caf?", "??"]


@pytest.mark.parametrize(
    "header",
    [
        ("a", "a", "a"),
        ("", " ", ""),
        ("a", "a_2", "a"),
        ("mm_score", "structure", "name"),
        ("%s", "{", "> <x>"),
    ],
)
def test_odd_names_lose_no_column(header: tuple[str, ...], folder: Path):
    cells = [("CCO", "1", "x"), ("CCN", "2", "y")]
    assert table(written(".csv", cells, header=header))[0] == [*header, *SCORED]
    frame = pq.read_table(io.BytesIO(written(".parquet", cells, header=header)))
    objects = [json.loads(line) for line in written(".jsonl", cells, header=header).splitlines()]
    sd = list(map(properties, records(written(".sdf", cells, header=header), folder / "names.sdf")))
    assert frame.column_names == list(objects[0]) == list(sd[0])
    assert len(set(frame.column_names)) == 3 + len(SCORED.columns)
    for i, name in enumerate(frame.column_names[:3]):
        wanted = [row[i] for row in cells]
        assert (
            frame[name].to_pylist() == [one[name] for one in objects] == [one[name] for one in sd] == wanted
        )


def test_names_that_rdkit_would_hide_or_mix_up_are_changed(folder: Path):
    header = ("_Name", "_", "a\nb", "a b")
    (mol,) = records(written(".sdf", [("1", "2", "3", "4")], header=header), folder / "hidden.sdf")
    assert list(properties(mol).items())[:4] == [
        ("Name", "1"),
        ("column_2", "2"),
        ("a b", "3"),
        ("a b_2", "4"),
    ]


@given(st.lists(hostile, min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_hostile_names_lose_no_column(header: list[str]):
    cells = [tuple(f"cell {i}" for i in range(len(header)))]
    (line,) = written(".jsonl", cells, header=header).decode().removesuffix("\n").split("\n")
    frame = pq.read_table(io.BytesIO(written(".parquet", cells, header=header)))
    assert frame.column_names == list(json.loads(line))
    assert frame.to_pylist()[0].items() >= {
        (n, c) for n, c in zip(frame.column_names, cells[0], strict=False)
    }
    (mol,) = Chem.ForwardSDMolSupplier(io.BytesIO(written(".sdf", cells, header=header)))
    assert list(properties(mol).values())[: len(header)] == list(cells[0])


def test_a_stream_gets_each_part_before_the_next_is_asked_for():
    layout, stream = FORMATS[".csv"](HEADER, EMPTY), io.BytesIO()

    def parts() -> Iterator[bytes]:
        assert isinstance(layout, Text)
        assert stream.getvalue() == layout.head()
        yield b"first\n"
        assert stream.getvalue() == layout.head() + b"first\n"
        yield b"second\n"

    layout.join(parts(), stream)
    assert not stream.closed


def test_formats_by_the_name_of_a_file():
    assert format_of("-") is format_of("A.CSV") is format_of("a.b.csv") is FORMATS[".csv"]
    assert format_of("a.sdf.GZ") is FORMATS[".sdf.gz"]
    for name in ("a.xlsx", "a", "csv", "a.parquet.gz", "a.csv.bz2"):
        with pytest.raises(ConfigError, match=re.escape(", .tsv, ")):
            format_of(name)


# CSV, TSV, JSON lines


@pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ","), (".tsv", "\t")])
@given(cells=rows)
@settings(max_examples=50, deadline=None)
def test_cells_come_back_verbatim_from_delimited_text(
    ending: str, delimiter: str, cells: list[tuple[str, ...]]
):
    head, *found = table(written(ending, cells), delimiter)
    assert head == NAMES
    assert [tuple(row[:3]) for row in found] == cells
    assert [row[3] for row in found] == scored(len(cells))["mm_status"].tolist()


def test_csv_is_what_it_says():
    expected = [
        ",".join(NAMES),
        "OCC,00123,=1+1,ok,CCO,0.123457,-inf,1,True,active",
        "C1CC,NA,,invalid_smiles,,,,,,",
        'N[C@@H](C)C(O)=O,1e5,"a,""b""\t",ok,C[C@H](N)C(=O)O,-1.23457e+06,1.5e-07,0,False,either',
        'FC=CCl,é,-5,ok,F/C=C/Cl,1,-0,1,True,"x\\""y"',
    ]
    assert written(".csv", CELLS).decode("utf-8") == "".join(f"{line}\n" for line in expected)
    frame = pd.read_csv(io.BytesIO(written(".csv.gz", CELLS, [2])), compression="gzip", dtype={"id": str})
    np.testing.assert_allclose(frame["mm_score"], SCORED["mm_score"], rtol=5e-6)
    assert frame["id"].tolist()[0] == "00123"


@given(rows)
@settings(max_examples=50, deadline=None)
def test_cells_come_back_verbatim_from_json(cells: list[tuple[str, ...]]):
    lines = written(".jsonl", cells).decode("utf-8").split("\n")
    assert lines.pop() == ""
    found = [json.loads(line, parse_constant=refuse) for line in lines]
    assert all(list(one) == NAMES for one in found)
    assert [(one["smiles"], one["id"], one["note"]) for one in found] == cells


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def test_json_has_types():
    first, rejected, third, fourth = map(json.loads, written(".jsonl", CELLS).splitlines())
    assert (first["mm_score"], first["mm_low"], first["mm_call"], first["mm_in_domain"]) == (
        0.123457,
        None,
        1,
        True,
    )
    assert all(rejected[name] is None for name in [*SCORED][1:])
    assert (third["mm_score"], third["mm_low"]) == (-1234570.0, 1.5e-7)
    assert (fourth["mm_set"], type(fourth["mm_score"])) == ('x\\"y', float)


# Parquet


@given(rows)
@settings(max_examples=30, deadline=None)
def test_cells_come_back_verbatim_from_parquet(cells: list[tuple[str, ...]]):
    found = pq.read_table(io.BytesIO(written(".parquet", cells)))
    assert list(zip(*(found[name].to_pylist() for name in HEADER), strict=True)) == cells


def test_parquet_has_types_and_nulls():
    found = pq.read_table(io.BytesIO(written(".parquet", CELLS, [1, 2])))
    kinds = ["string"] * 5 + ["double", "double", "int64", "bool", "string"]
    assert [str(kind) for kind in found.schema.types] == kinds
    assert found["mm_score"].to_pylist() == [0.123457, None, -1234570.0, 1.0]
    assert found["mm_low"].to_pylist() == [-math.inf, None, 1.5e-7, 0.0]
    assert found["mm_call"].to_pylist() == [1, None, 0, 1]
    assert found["mm_in_domain"].to_pylist() == [True, None, False, True]
    only_rejected = FORMATS[".parquet"](HEADER, EMPTY)
    part = only_rejected.encode(CELLS[1:2], SCORED.iloc[1:2], [None])
    assert pq.read_table(io.BytesIO(part)).schema.equals(found.schema)


def test_row_groups_do_not_follow_the_parts():
    layout, size = FORMATS[".parquet"](("id",), EMPTY), GROUP + 5000

    def joined(chunk: int) -> bytes:
        stream = io.BytesIO()
        layout.join((part(start, min(chunk, size - start)) for start in range(0, size, chunk)), stream)
        return stream.getvalue()

    def part(start: int, n: int) -> bytes:
        return layout.encode(cells[start : start + n], frame.iloc[start : start + n], [None] * n)

    # Long enough that a group has several pages, whose borders must not follow the parts either.
    cells, frame = [(f"{i:0100d}",) for i in range(size)], scored(size)
    data = joined(4096)
    meta = pq.ParquetFile(io.BytesIO(data)).metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [GROUP, 5000]
    assert pq.read_table(io.BytesIO(data))["id"].to_pylist() == [row[0] for row in cells]
    assert joined(30011) == joined(size) == data


# SDF


@given(rows)
@settings(max_examples=50, deadline=None)
def test_hostile_cells_break_no_record(folder: Path, cells: list[tuple[str, ...]]):
    found = records(written(".sdf", cells), folder / "hostile.sdf")
    assert [properties(mol)["mm_status"] for mol in found] == scored(len(cells))["mm_status"].tolist()
    for mol, row in zip(found, cells, strict=True):
        assert [flat(mol.GetProp(name)) for name in HEADER] == list(map(flat, row))
        assert mol.GetProp("_Name").split() == row[1].split()


@given(rows.filter(bool))
@example([("a\n \t\nb", "c", "\n\x0b\n> <id>")])
@settings(max_examples=50, deadline=None)
def test_hostile_cells_break_no_record_for_molmeta(folder: Path, cells: list[tuple[str, ...]]):
    (folder / "own.sdf").write_bytes(written(".sdf", cells))
    (chunk,) = read_library(folder / "own.sdf")
    assert chunk.header == ("structure", "name", *NAMES)
    assert not chunk.rejected
    assert chunk.smiles == [one or "" for one in smiles(len(cells))]
    for found, row in zip(chunk.cells, cells, strict=True):
        assert found[1].split() == row[1].split()
        assert list(map(flat, found[2:5])) == list(map(flat, row))


def test_records_hold_structures_in_two_dimensions(folder: Path):
    found = records(written(".sdf", CELLS), folder / "drawn.sdf")
    assert [Chem.MolToSmiles(mol) for mol in found] == [one or "" for one in SMILES]
    assert [mol.GetProp("_Name") for mol in found] == ["00123", "NA", "1e5", "é"]
    positions = found[2].GetConformer().GetPositions()
    assert np.ptp(positions[:, :2], axis=0).min() > 1
    assert not positions[:, 2].any()
    assert list(properties(found[0])) == NAMES
    assert [properties(mol)["mm_score"] for mol in found] == ["0.123457", "", "-1.23457e+06", "1"]
    packed = gzip.decompress(written(".sdf.gz", CELLS, [2]))
    assert [Chem.MolToSmiles(mol) for mol in records(packed, folder / "packed.sdf")] == [
        s or "" for s in SMILES
    ]


def test_structures_that_are_hard_to_write_break_no_record(folder: Path):
    # Too large to draw; not a SMILES; bridged, whose plain drawing loses a stereo centre; of a metal.
    bridged = "C[C@@H]1CC[C@H]2[C@@H](C)C(=O)O[C@@H]3O[C@@]4(C)CC[C@@H]1[C@]32OO4"
    structures = ["C" * (MAX_DRAWN + 1), "C1CC", bridged, "C[NH2]->[Pt]"]
    data = FORMATS[".sdf"](HEADER, EMPTY).encode([("a", "b", "c")] * 4, scored(4), structures)
    large, broken, *others = records(data, folder / "hard.sdf")
    assert large.GetNumAtoms() == MAX_DRAWN + 1
    assert not large.GetConformer().GetPositions().any()
    assert broken.GetNumAtoms() == 0
    assert [Chem.MolToSmiles(mol) for mol in others] == structures[2:]


@pytest.mark.parametrize(
    ("header", "title"),
    [
        (("smiles", "x", "y"), ""),
        (("Compound ID", "name", "smiles"), "1"),
        (("mol", "y", "CAS"), "3"),
        (("structure", "name", "id"), "2"),
    ],
)
def test_the_title_is_the_identifier(header: tuple[str, ...], title: str, folder: Path):
    (mol,) = records(written(".sdf", [("1", "2", "3")], header=header), folder / "title.sdf")
    assert mol.GetProp("_Name") == title
