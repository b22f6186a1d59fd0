"""The tables of tables.toml that are binary, large, or easier made than written."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import lzma
import random
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem

PLAIN = b"smiles,y\nCCO,1\nCCN,0\n"


def utf16_cut() -> bytes:
    return "smiles,y\nCCO,1\n".encode("utf-16")[:-1]


def two_encodings() -> bytes:
    return b"id,smiles,y\n" + "µ,CCO,1\n".encode("cp1252") + "é,CCN,0\n".encode()


def long_name() -> bytes:
    return b"name,smiles,y\n" + b"x" * 10_000 + b",CCO,1\n" + b"C" * 40_000 + b",CCN,0\nb,CCC,1\n"


def three_candidates() -> bytes:
    rows = "".join(f"C{'C' * i}O,C{'C' * i}N,C{'C' * i}Cl\n" for i in range(20))
    return f"reactant,product,reagent\n{rows}".encode()


def long_titles() -> bytes:
    return (",".join(f"{'x' * 10_000}{i}" for i in range(30)) + "\n" + ",".join(["1"] * 30) + "\n").encode()


def deep() -> bytes:
    return b'{"smiles": "CCO", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b'}\n{"smiles": "CCN"}\n'


# gzip and other packing


def bomb() -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as packed:
        packed.write(b"smiles,y\n")
        block = b"C" * (1 << 20)
        for _ in range(64):  # one line of 64 MB stands for one of 3 GB: the limit is met after 13
            packed.write(block)
    return stream.getvalue()


def gz() -> bytes:
    return gzip.compress(PLAIN)


def gz_in_gz() -> bytes:
    return gzip.compress(gz())


def members() -> bytes:
    # Longer than what is read at a time, so that the zeros start a block of their own.
    return gz() + b"\0" * 100_000 + gzip.compress(b"CCC,1\n") + b"\0" * 100_000


def cut() -> bytes:
    return gz()[:-10]


def damaged() -> bytes:
    numbers = random.Random(0)
    data = gzip.compress(b"smiles,y\n" + b"".join(b"CCO,%d\n" % numbers.randrange(10**9) for _ in range(999)))
    return data[:2000] + bytes(99) + data[2099:]


def bzip2() -> bytes:
    return bz2.compress(PLAIN)


def xz() -> bytes:
    return lzma.compress(PLAIN)


def zstd() -> bytes:
    return b"\x28\xb5\x2f\xfd" + PLAIN


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo("table.csv")
        entry.size = len(PLAIN)
        archive.addfile(entry, io.BytesIO(PLAIN))
    return stream.getvalue()


def xlsx() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    return stream.getvalue()


def pickled() -> bytes:
    return b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94."


def noise() -> bytes:
    return random.Random(1).randbytes(5000)


# Parquet


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def parquet_types() -> bytes:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    columns = {
        "id": pa.array(["001", "1e5", "NA"]).dictionary_encode(),
        "smiles": pa.array(["CCO", "CCN", None], pa.large_string()),
        "list": pa.array([[1, 2], [], None]),
        "struct": pa.array([{"a": 1}, {"a": None}, None]),
        "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-0.05")], pa.decimal128(9, 2)),
        "time": pa.array([moment, None, datetime.datetime(1970, 1, 1)], pa.timestamp("ms")),
        "small": pa.array([0.1, float("nan"), float("inf")], pa.float32()),
        "none": pa.nulls(3),
        "flag": pa.array([True, False, None]),
    }
    return _parquet(pa.table(columns))


def parquet_dates() -> bytes:
    return _parquet(pa.table({"smiles": ["CCO", "CCN"], "date": pa.array([2**30, None], pa.date32())}))


def parquet_empty() -> bytes:
    stream = io.BytesIO()
    pq.ParquetWriter(stream, pa.schema([("id", pa.string()), ("smiles", pa.string())])).close()
    return stream.getvalue()


def parquet_nothing() -> bytes:
    return _parquet(pa.table({}))


def parquet_cut() -> bytes:
    return parquet_types()[:-9]


def parquet_titles() -> bytes:
    columns = [pa.array(pair) for pair in (["CCO", "CCN"], ["a", "b"], ["c", "d"], ["e", "f"])]
    return _parquet(pa.Table.from_arrays(columns, names=["smiles", "x", "x", ""]))


# SD files


def _block(smiles: str, title: str, v3000: bool = False) -> str:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles), forceV3000=v3000)
    return title + block[block.index("\n") :]


def _fields(**values: str) -> str:
    return "".join(f"> <{name}>\n{value}\n\n" for name, value in values.items()) + "$$$$\n"


def sdf_fields() -> bytes:
    first = "> <IC50>\n>5 and <10\n> <twice>\n1\n\n> <twice>\n2\n\n>  25  <MELT>  (7)\n80\n\n> DT7\n9\n\n"
    first += "> <note>\nline 1\n\nline 3\n\n$$$$\n"
    second = "> <IC50>\n7\n> <twice>\n1\n\n> <twice>\n1\n\n> <note>\nM  END\n$$$$\n"
    return f"{_block('CCO', 'a')}{first}{_block('CCN', 'b')}{second}".encode()


def sdf_broken() -> bytes:
    wrong = _block("CCO", "a").replace("  3  2", "  9  2") + _fields(y="1")
    missing = _block("CCO", "b") + "> <y>\n2\n\n" + _block("CCC", "c") + _fields(y="3")
    last = _block("CCO", "e") + "> <y>\n5\n"
    return f"{wrong}$$$$\n{missing}{_block('CCN', 'd')}{_fields(y='4')}{last}".encode()


def sdf_ends() -> bytes:
    first = _block("CCO", "a", v3000=True) + _fields(y="1")
    second = (_block("CCN", "b") + _fields(y="2")).replace("\n", "\r\n")
    third = (_block("CCC", "c") + _fields(y="3")).replace("\n", "\r")
    return f"{first}{second}{third}".encode()


def sdf_cages() -> bytes:
    pairs = [(a, b) for a in range(1, 51) for b in range(1, a)]
    v2000 = "v2000\n\n\n" + f"{50:3d}{999:3d}  0  0  0  0  0  0  0  0999 V2000\n"
    v2000 += "".join(f"{'0.0000':>10}" * 3 + " C   0  0\n" for _ in range(50))
    v2000 += "".join(f"{a:3d}{b:3d}  1  0\n" for a, b in pairs[:999]) + "M  END\n"
    # With so many atoms that are bound to nothing, there are fewer bonds than atoms.
    v3000 = _v3000("v3000", 50, pairs) + _fields(y="2") + _v3000("hidden", 1400, pairs) + _fields(y="3")
    long = _v3000("long", 1600, [(a, a + 1) for a in range(1, 1600)]) + _fields(y="4")
    return f"{v2000}{_fields(y='1')}{v3000}{long}{_block('CCO', 'fine')}{_fields(y='5')}".encode()


def _v3000(title: str, atoms: int, bonds: list[tuple[int, int]]) -> str:
    lines = ["  0  0  0     0  0            999 V3000", "M  V30 BEGIN CTAB"]
    lines += [f"M  V30 COUNTS {atoms} {len(bonds)} 0 0 0", "M  V30 BEGIN ATOM"]
    lines += [f"M  V30 {i} C 0 0 0 0" for i in range(1, atoms + 1)]
    lines += ["M  V30 END ATOM", "M  V30 BEGIN BOND"]
    lines += [f"M  V30 {i} 1 {a} {b}" for i, (a, b) in enumerate(bonds, 1)]
    lines += ["M  V30 END BOND", "M  V30 END CTAB", "M  END"]
    return f"{title}\n\n\n" + "\n".join(lines) + "\n"
