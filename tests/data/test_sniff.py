"""Raw tables: what pandas reads wrongly without a word, damage, limits, and the way there and back."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmeta.data.delimited import Blanks, OneColumn, Separated, Smi
from molmeta.data.raw import open_table
from molmeta.data.sniff import choose_layout
from molmeta.errors import InputError


def read(data):
    table = open_table(io.BytesIO(data if isinstance(data, bytes) else data.encode()))
    rows = list(table.rows)
    return table.header, [row.cells for row in rows if row.problem is None], rows


# The eight silent misreadings of `pandas.read_csv`.


def test_identifiers_stay_text():
    ids = [
        "00123",
        "1e5",
        "NA",
        "None",
        "null",
        "1" * 40,
        "=cmd|' /C calc'!A0",
        "<script>",
        "[bold]",
        "\x1b[31m",
    ]
    _, cells, _ = read("id,smiles\n" + "".join(f"{i},CCO\n" for i in ids))
    assert [row[0] for row in cells] == ids


def test_decimal_commas_shift_nothing():
    header, cells, _ = read("smiles;ic50\nCCO;1,5\nCCN;2,25\nCCC;3\n")
    assert header == ("smiles", "ic50")
    assert cells == [("CCO", "1,5"), ("CCN", "2,25"), ("CCC", "3")]


def test_first_row_with_one_cell_more_is_ragged():
    _, cells, rows = read("smiles,y\nCCO,1,oops\nCCN,2\nCCC,3\n")
    assert cells == [("CCN", "2"), ("CCC", "3")]
    assert rows[0].problem.reason == "ragged_row"
    assert "line 2" in rows[0].problem.detail
    assert rows[0].cells == ("CCO,1,oops", "")


def test_cxsmiles_with_a_comma_is_ragged():
    _, cells, rows = read("smiles,y\nCCO,1\nCC(O)N |o1:1,r|,2\nCCC,3\n")
    assert [row.problem is None for row in rows] == [True, False, True]
    assert cells[1] == ("CCC", "3")


def test_lone_carriage_returns_end_lines():
    assert read("smiles,y\rCCO,1\rCCN,2\r")[1] == [("CCO", "1"), ("CCN", "2")]


def test_nul_bytes_are_refused():
    _, cells, rows = read(b"smiles,y\nCCO,1\nC\0CN,2\nCCC,3\nCCCC,4\n")
    assert len(cells) == 3
    assert rows[1].problem.reason == "ragged_row"
    with pytest.raises(InputError, match="NUL"):
        read("smiles,y\nCCO,1\n".encode("utf-16-le"))


def test_short_row_and_same_name_twice():
    header, cells, rows = read("smiles,y,y\nCCO,1,2\nCCN\nCCC,3,4\n")
    assert header == ("smiles", "y", "y")
    assert cells == [("CCO", "1", "2"), ("CCC", "3", "4")]
    assert rows[1].line == 3


@pytest.mark.parametrize("text", ["CCO,5.1\nCCN,5.2\nCCC,6.3\n", "CCO\nCCN\nCCC\n", "CCO\n"])
def test_first_molecule_is_no_header(text):
    _, cells, _ = read(text)
    assert cells[0][0] == "CCO"
    assert len(cells) == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "CCO\tethanol\nCCC\tpropane\nCCN\tamine\n",
        "CCO ethyl, alcohol\nCCC propane, pure\nCCN an amine\n",
        "CCO ethanol\nCCC\nCCN\nCCCN\n",
        "CCO\tethanol\nCCC\nCCN\nCCCN\n",
        "CCO\nCCC\nCCN\n",
        "CCO |o1:1,r| ethanol\nCCC |r,o1:1| propane\nCCN |o1:1,r| amine\n",
        "C1CC broken\nCCC propane\nCCN amine\n",
        "C1CC\tbroken\nCCC\tpropane\nCCN\tamine\n",
    ],
)
def test_a_list_of_structures_is_one_without_its_name_too(text, tmp_path):
    (tmp_path / "lib.smi").write_text(text)
    as_file = open_table(tmp_path / "lib.smi")
    as_stream = open_table(io.BytesIO(text.encode()))
    assert as_stream.header == as_file.header == ("smiles", "name")
    assert as_stream.structure == as_file.structure == 0
    rows = [row.cells for row in as_stream.rows]
    assert rows == [row.cells for row in as_file.rows]
    assert len(rows) == text.count("\n")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("CCO\t1\nCCC\t0\nCCN\t1\n", ("column_1", "column_2")),
        ("CCO\t5.5\nCCC\t6.5\nCCN\t7.5\n", ("column_1", "column_2")),
        ("CCO\tactive\nCCC\tinactive\nCCN\tactive\nCCCN\tactive\nCO\tactive\n", ("column_1", "column_2")),
        ("CCO\tethanol\t1\nCCC\tpropane\t0\n", ("column_1", "column_2", "column_3")),
        ("a1\tCCO\na2\tCCC\na3\tCCN\n", ("column_1", "column_2")),
        ("smiles\tname\nCCO\tethanol\nCCC\tpropane\n", ("smiles", "name")),
    ],
)
def test_a_table_without_a_name_stays_one(text, header):
    table = open_table(io.BytesIO(text.encode()))
    assert (table.header, table.structure) == (header, None)


def test_a_list_of_structures_may_have_a_header(tmp_path):
    (tmp_path / "lib.smi").write_text("Structure Vendor_ID\nCCO a\nCCC b\n")
    table = open_table(tmp_path / "lib.smi")
    assert table.header == ("Structure", "Vendor_ID")
    assert [row.cells for row in table.rows] == [("CCO", "a"), ("CCC", "b")]


@pytest.mark.parametrize("before", ["sep=;\n", "# made by hand\n", "\n\n", "# a\n# b, c; d\nsep=;\n"])
def test_lines_before_the_header(before):
    header, cells, rows = read(before + "smiles;y\nCCO;1\nCCN;0\n")
    assert header == ("smiles", "y")
    assert cells == [("CCO", "1"), ("CCN", "0")]
    assert rows[0].line == before.count("\n") + 2


def test_header_in_a_comment():
    assert read("#smiles\ty\nCCO\t1\nCCN\t0\n")[0] == ("smiles", "y")


# Quotes, limits, encodings.


def test_quoted_line_ends_are_legal():
    _, cells, rows = read('smiles,name\nCCO,"a\nb"\r\nCCN,"say ""hi"", he said"\n')
    assert cells == [("CCO", "a\nb"), ("CCN", 'say "hi", he said')]
    assert [row.line for row in rows] == [2, 4]


def test_a_quote_that_is_not_closed_costs_one_row():
    text = 'smiles,name\nCCO,"open\nCCN,b\nCCC,"c"\n' + "CCCC,d\n" * 50
    _, cells, rows = read(text)
    assert [row.number for row in rows if row.problem is not None] == [1]
    assert len(cells) == 52
    assert cells[:2] == [("CCN", "b"), ("CCC", "c")]


def test_cells_and_lines_have_a_limit():
    text = "smiles,name\nCCO,a\n" + "C" * 40_000 + ",b\nCCN," + "x" * 3_000_000 + "\nCCC,c\n"
    _, cells, rows = read(text)
    assert cells == [("CCO", "a"), ("CCC", "c")]
    assert [row.problem.reason for row in rows if row.problem] == ["too_large", "too_large"]
    assert all(len(cell) <= 200 for row in rows for cell in row.cells)


def test_bytes_that_are_not_utf8_are_noted():
    table = open_table(io.BytesIO("smiles,name\nCCO,é\nCCN,µ\n".encode("cp1252")))
    assert [row.cells[1] for row in table.rows] == ["é", "µ"]
    assert any("line 2 is not UTF-8" in note for note in table.notes)


def test_most_rows_wider_than_the_header_stop():
    with pytest.raises(InputError, match="2 cells"):
        read("smiles,y\nCCO,5,1\nCCN,6,2\nCCC,7,3\n")


def test_names_of_rows_without_a_title_shift_nothing():
    header, cells, _ = read("smiles,y\n1,CCO,5\n2,CCN,6\n3,CCC,7\n")
    assert header == ("row", "smiles", "y")
    assert cells[0] == ("1", "CCO", "5")
    table = open_table(io.BytesIO(b"smiles,y\n1,CCO,5\n2,CCN,6\n"))
    assert any("no title" in note for note in table.notes)


@pytest.mark.parametrize(
    ("text", "suffix", "layout"),
    [
        ("CCO ethanol, pure\nCCN b; c\n", ".smi", Smi()),
        ("CCO\tethanol\nCCN\tamine x\n", ".smi", Smi()),
        ("smiles\tid\ty\nCCO\t1\t2\n", ".smi", Separated("\t")),
        ("smiles y\nCCO 1\nCCN 2\n", ".smi", Blanks()),
        ("CCO ethyl alcohol\nCCN b\n", "", Smi()),
        ("smiles\nCCO\nCCN\n", ".csv", OneColumn()),
        ("a|b\n1|2\n3|4\n", ".txt", Separated("|")),
        ('smiles,note\nCCO,"a;b"\nCCN,"c;d"\n', ".csv", Separated(",")),
    ],
)
def test_layouts(text, suffix, layout):
    assert choose_layout(list(enumerate(text.splitlines(keepends=True), 1)), suffix) == layout


CELL = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_comes_back(rows, delimiter, end, encoding):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("smiles", "name", "label"), *rows])
    header, cells, found = read(buffer.getvalue().encode(encoding))
    assert header == ("smiles", "name", "label")
    assert cells == rows
    assert [row.number for row in found] == list(range(1, len(rows) + 1))
