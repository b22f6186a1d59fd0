"""Libraries are streamed: every row once, in order, with memory that does not grow."""

import gzip
import io
import tracemalloc

import pandas as pd
import pytest
from rdkit import Chem

from molmeta.data.library import read_library
from molmeta.errors import ConfigError, InputError, ResourceError

TEXT = "id,smiles,price\n" + "".join(f"{i:05d},{'C' * (i % 9 + 1)}O,{i / 10}\n" for i in range(1, 26))


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / name

    return write


def test_rows_come_verbatim_in_chunks(write):
    library = read_library(write("a.csv", TEXT), chunk=10)
    chunks = list(library)
    assert [(c.first_row, len(c)) for c in chunks] == [(1, 10), (11, 10), (21, 5)]
    assert library.header == chunks[0].header == ("id", "smiles", "price")
    assert chunks[1].cells[0] == ("00011", "CCCO", "1.1")
    assert [s for c in chunks for s in c.smiles] == [row.split(",")[1] for row in TEXT.splitlines()[1:]]
    assert (library.smiles_column, library.id_column) == (1, 0)
    assert list(read_library(library_path := write("b.csv", TEXT))) == list(read_library(library_path))
    assert len(list(library)) == 3


def test_smi_with_and_without_header(write):
    library = read_library(write("a.smi", "CCO ethyl alcohol\nCCN\n\nCC(O)N |o1:1,r| named\n"))
    assert library.header == ("smiles", "name")
    (chunk,) = library
    assert chunk.cells == [("CCO", "ethyl alcohol"), ("CCN", ""), ("CC(O)N |o1:1,r|", "named")]
    assert read_library(write("b.smi", "SMILES Name\nCCO x\n")).header == ("SMILES", "Name")


def test_bad_rows_keep_their_place(write):
    (chunk,) = read_library(write("a.csv", "smiles,y\nCCO,1\nCCN,1,2\nxx,3\n"))
    assert chunk.smiles == ["CCO", "", "xx"]
    assert [(r.row, r.reason) for r in chunk.rejected] == [(2, "ragged_row")]
    assert len(chunk.cells[1]) == 2


@pytest.mark.parametrize(
    ("name", "data"), [("a.smi", b""), ("a.csv", b"id,smiles\n"), ("a.csv", b"id,name\n")]
)
def test_no_rows(write, name, data):
    library = read_library(write(name, data))
    assert len(library.header) == 2
    assert list(library) == []


def test_zero_bytes_named_csv(write):
    with pytest.raises(InputError, match="empty"):
        read_library(write("a.csv", b""))


def rows_before_the_cut(library):
    rows = []
    with pytest.raises(InputError, match="cut off"):  # noqa: PT012 (the rows before the error are the point)
        for chunk in library:
            rows += chunk.cells
    return rows


def test_cut_gzip_gives_the_rows_before(write):
    lines = [f"{'C' * (i % 40 + 1)},{i * 7919 % 10007}" for i in range(30_000)]
    data = gzip.compress(("smiles,n\n" + "\n".join(lines)).encode())
    rows = rows_before_the_cut(read_library(write("a.csv.gz", data[: len(data) // 2]), chunk=1000))
    assert 10_000 < len(rows) < 30_000
    assert [",".join(row) for row in rows] == lines[: len(rows)]


def test_short_cut_gzip_gives_the_rows_before(write):
    data = gzip.compress(TEXT.encode())[:-12]
    assert len(rows_before_the_cut(read_library(write("a.csv.gz", data), chunk=5))) >= 10


def test_bomb(write):
    path = write("a.csv.gz", gzip.compress(b"smiles,y\n" + (b"CCO," + b"1" * 1000 + b"\n") * 20_000))
    with pytest.raises(ResourceError):
        sum(map(len, read_library(path)))
    assert len(next(iter(read_library(path, trusted=True)))) == 4096


def test_several_files_and_globs(write, tmp_path):
    first, second = write("p1.csv", "smiles,id\nCCO,1\n"), write("p2.csv", "smiles,id\nCCN,2\nCCC,3\n")
    for source in ([first, second], str(tmp_path / "p*.csv")):
        assert [(c.first_row, c.smiles) for c in read_library(source, chunk=2)] == [
            (1, ["CCO", "CCN"]),
            (3, ["CCC"]),
        ]
    with pytest.raises(InputError, match="wanted the same"):
        read_library([first, write("q.csv", "structure\nCCO\n")])
    with pytest.raises(InputError, match="no file matches"):
        read_library(str(tmp_path / "z*.csv"))


def test_stdin_is_read_once(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"CCO\nCCN\n")))
    library = read_library("-")
    assert [c.smiles for c in library] == [["CCO", "CCN"]]
    with pytest.raises(InputError, match="stream"):
        list(library)


def test_sdf_parquet_and_frames(write):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("C[C@H](N)C(=O)O")) + "> <code>\n007\n\n$$$$\n"
    library = read_library(write("a.sdf", block * 3))
    assert library.header == ("structure", "name", "code")
    assert next(iter(library)).cells[2] == ("C[C@H](N)C(=O)O", "", "007")
    frame = pd.DataFrame({"smiles": ["CCO", "CCN", None], "n": [1, 2, 3]})
    frame.to_parquet(path := write("a.parquet", b""))
    for source in (path, frame):
        assert [c.smiles for c in read_library(source)] == [["CCO", "CCN", ""]]


def test_no_structures(write):
    with pytest.raises(InputError, match="--smiles-column"):
        read_library(write("a.csv", "a,b\n1,2\n3,4\n"))
    with pytest.raises(ConfigError, match="chunk"):
        read_library(write("b.csv", TEXT), chunk=0)


def test_memory_does_not_grow(write):
    def peak(rows):
        path = write("a.csv", "id,smiles\n" + "".join(f"{i},CCOCC{'N' * (i % 5)}\n" for i in range(rows)))
        tracemalloc.start()
        try:
            assert sum(map(len, read_library(path, chunk=100))) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(60_000) < 1.1 * peak(20_000)
