"""Odd files through the scoring path: rows out = rows in, cells equal, order kept?

    python benchmarks/rows.py --files 10000 --out rows.json

Each file is drawn by its number (`oddtables.py`: CSV, TSV, .smi, JSON lines, Parquet, SD files; delimiters,
quotes, line ends, encodings, gzip, titles, names that other readers change), scored, and the output, in one
of nine formats, is read by a reader that is not molmeta's. Prints how many files and rows there were, and
what was lost; with --keep, files that were read otherwise are left there. --first 4711 --files 1 repeats one.
"""

from __future__ import annotations

import argparse
import csv
import gc
import gzip
import io
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import torch
from harness import save
from oddtables import OddTable, odd_table

import molmeta
from molmeta import assays
from molmeta.checkpoint import save_checkpoint
from molmeta.learner import Learner
from molmeta.predictor import Predictor
from molmeta.scoring import score_library

ENDINGS = ("csv", "tsv", "jsonl", "parquet", "sdf", "csv.gz", "tsv.gz", "jsonl.gz", "sdf.gz")
_FIELD = re.compile(r"^>  <(.*)>$")
csv.field_size_limit(sys.maxsize)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--files", type=int, default=10_000)
    made.add_argument("--first", type=int, default=0, help="number of the first file")
    made.add_argument("--keep", type=Path, help="folder for files that were read otherwise")
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    # Each run looks for garbage first, which takes most of the time of files so small.
    gc.collect = lambda generation=2: 0  # type: ignore[assignment]
    started, rows, seen, wrong = time.perf_counter(), 0, Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        model = small_model(Path(folder))
        for number in range(options.first, options.first + options.files):
            table = odd_table(Random(number))
            rows += len(table.rows)
            seen[table.name.partition(".")[2]] += 1
            if why := difference(model, table, Path(folder), Random(number)):
                wrong.append({"file": number, "name": table.name, "why": why})
                print(f"{number} {table.name}: {why}", flush=True)
                if options.keep:
                    options.keep.mkdir(exist_ok=True)
                    (options.keep / f"{number}.{table.name}").write_bytes(table.data)
    seconds = time.perf_counter() - started
    print(f"{options.files} files, {rows} rows, {len(wrong)} files read otherwise, in {seconds:.0f} s")
    print(", ".join(f"{count} {name}" for name, count in sorted(seen.items())))
    if options.out:
        run = {"files": options.files, "rows": rows, "wrong": wrong, "kinds": dict(seen), "seconds": seconds}
        save(options.out, {"runs": [run]})


def small_model(folder: Path) -> Predictor:
    """A model with random weights: what it scores does not matter here, only which rows."""
    torch.manual_seed(0)
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})
    save_checkpoint(folder / "small", learner)
    return molmeta.adapt(assays.path("bbb"), folder / "small", verdict=False)


def difference(model: Predictor, table: OddTable, folder: Path, random: Random) -> str:
    """In which way the scored rows of a table are others than its own; "" where they are the same."""
    ending = random.choice(ENDINGS)
    source, out = folder / table.name, folder / f"out.{ending}"
    source.write_bytes(table.data)
    try:
        report = score_library(
            model,
            source,
            out,
            columns=("mm_status", "mm_score"),
            chunk=random.choice((1, 3, 4096)),
            force=True,
            smiles_column=None if table.rows and table.written else table.header[table.structures],
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        source.unlink()
    data = out.read_bytes()
    header, found = READERS[ending.removesuffix(".gz")](
        gzip.decompress(data) if ending.endswith("gz") else data
    )
    if report.read != len(table.rows):
        return f"{report.read} rows read of {len(table.rows)}"
    if len(found) != len(table.rows):
        return f"{len(found)} rows written of {len(table.rows)}"
    if ending.startswith("csv") and header[: len(table.header)] != list(table.header):
        return f"titles {header} for {table.header}"
    flat = ending.startswith("sdf")
    for at, (own, wanted) in enumerate(zip(found, table.rows, strict=True), 1):
        for column, (cell, there) in enumerate(zip(own, wanted, strict=False)):
            same = _flat(cell) == _flat(there) if flat else cell == there
            if not same and (column != table.structures or table.written):
                return f"row {at}, column {column} has {cell!r} for {there!r} ({ending})"
        if len(own) != len(wanted) + 2:
            return f"row {at} has {len(own)} cells for {len(wanted)} and 2 ({ending})"
    return ""


Read = tuple[list[str], list[list[str]]]
Reader = Callable[[bytes], Read]


def _separated(delimiter: str) -> Reader:
    def read(data: bytes) -> Read:
        text = io.StringIO(data.decode(), newline="")
        header, *rows = csv.reader(text, delimiter=delimiter, strict=True)
        return header, rows

    return read


def _jsonl(data: bytes) -> Read:
    found = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    names = list(found[0]) if found else []
    return names, [["" if one is None else str(one) for one in row.values()] for row in found]


def _parquet(data: bytes) -> Read:
    table = pq.read_table(io.BytesIO(data))
    cells = [["" if one is None else str(one) for one in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*cells, strict=True)]


def _sdf(data: bytes) -> Read:
    rows: list[list[str]] = []
    names: list[str] = []
    for record in _records(data.decode().split("\n")):
        values: dict[str, list[str]] = {}
        name = None
        for line in record:
            if found := _FIELD.match(line):
                name = found[1]
                values[name] = []
            elif name is not None:
                values[name].append(line)
        names = list(values)
        rows.append(["\n".join(lines) for lines in values.values()])
    return names, rows


def _records(lines: list[str]) -> Iterator[list[str]]:
    record: list[str] = []
    for line in lines:
        if line == "$$$$":
            yield record
            record = []
        else:
            record.append(line)


def _flat(cell: str) -> list[str]:
    """Words of a cell: in an SD file blank lines are left out, and blanks stand before marks."""
    return cell.split()


READERS = {"csv": _separated(","), "tsv": _separated("\t"), "jsonl": _jsonl, "parquet": _parquet, "sdf": _sdf}

if __name__ == "__main__":
    main()
