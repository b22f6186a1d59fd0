"""Structures that are too large in some way, one by one through the worker processes of scoring.

    python benchmarks/sizes.py --out sizes.json

Prints of each its status and the seconds that it took, the shortest of `--repeats` as others only add what
else the machine did. Exits with 1 where one took a second or more, or had another status than it should.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from harness import save

from molmeta.chem.features import FIELDS
from molmeta.scoring.featurize import Featurize, Job, Packed
from molmeta.scoring.workers import Workers

LIMIT = 1.0  # seconds


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    rows = []
    with Workers(Featurize(frozenset(FIELDS)), 1) as pool:
        list(pool.map([Job(["CCO"], {})]))  # its imports are no part of any
        for name, wanted, text in corpus():
            tries = [timed(pool, text) for _ in range(options.repeats)]
            spent, status = min(tries)
            row = {"structure": name, "characters": len(text), "status": status, "seconds": spent}
            rows.append(row | {"good": {one for _, one in tries} == {wanted} and spent < LIMIT})
            print(f"{spent:7.4f} s  {status:18}{len(text):>9,} characters  {name}", flush=True)
    good, most = sum(bool(row["good"]) for row in rows), max(float(row["seconds"]) for row in rows)
    print(f"{good} of {len(rows)} as they should be, the slowest in {most:.3f} s")
    if options.out:
        save(options.out, {"rows": rows})
    if good < len(rows):
        raise SystemExit(1)


def timed(pool: Workers[Job, Packed], text: str) -> tuple[float, str]:
    """Seconds that a structure takes, there and back, and its status."""
    began = time.perf_counter()
    ((_, packed),) = pool.map([Job([text], {})])
    return time.perf_counter() - began, packed.status[0]


def corpus() -> Iterator[tuple[str, str, str]]:
    """Name, status that it should have, and text of each."""
    for parts in (chains, rings, branches, brackets, parts_of_many, within):
        yield from parts()


def chains() -> Iterator[tuple[str, str, str]]:
    for n in (501, 2_001, 16_000, 20_000, 30_000, 1_048_576):
        yield f"chain of {n:,} carbons", "too_large", "C" * n
    yield "chain of 30,000 aromatic carbons", "too_large", "c" * 30_000
    yield "polyene of 30,000 carbons", "too_large", "C=C" * 15_000
    yield "polyene of 10,000 marked double bonds", "too_large", "/C=C" * 10_000
    yield "chain of 10,000 stereo centres", "too_large", "[C@H](F)" * 10_000
    yield "chain of 5,000 sulfoxides", "too_large", "S(=O)" * 5_000 + "C"
    yield "chain of 4,000 azides", "too_large", "C(N=[N+]=[N-])" * 4_000
    yield "peptide of 1,000 residues", "too_large", "NCC(=O)" * 1_000 + "O"
    yield "peptide of 5,000 arginines", "too_large", "NC(CCCNC(N)=[NH2+])C(=O)" * 5_000 + "O"
    yield "DNA of 500 bases", "too_large", "OP(=O)(O)OCC1OC(n2cnc3c2ncnc3N)CC1" * 500
    yield "polymer of 10,000 ethers", "too_large", "OCC" * 10_000
    yield "silicone of 3,000 units", "too_large", "[Si](C)(C)O" * 3_000 + "C"
    yield "dative chain of 1,000", "too_large", "C" + "->[Cu]" * 1_000


def rings() -> Iterator[tuple[str, str, str]]:
    for n in (25, 60, 100):
        yield f"acene of {n} rings", "too_large", acene(n)
    yield "ring of 16,000 carbons", "too_large", "C1" + "C" * 15_998 + "1"
    yield "chain of 16,000 atoms in rings", "too_large", "C1CCC1" * 4_000
    yield "spiro chain of 300 rings", "too_large", "C1CC1" + "C11CC1" * 300
    yield "25 rings of three", "too_large", "C1CC1" * 25
    yield "biphenyls, 300 rings", "too_large", "c1ccc(cc1)" * 300
    yield (
        "cage of 60 carbons",
        "too_large",
        (
            "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2"
            "c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41"
        ),
    )
    for n in (20, 24, 30):
        yield f"each of {n} uraniums bound to all", "too_large", complete("[U]", n)
    yield "each of 30 wildcards bound to all", "too_large", complete("*", 30)
    yield "each of 18 wildcards bound to all", "query_or_wildcard", complete("*", 18)
    yield "prism of 200 carbons", "too_large", ladder(100)
    yield "99 ring labels open at once", "too_large", "C" + "".join(f"%{i}" for i in range(10, 100)) + "C"
    yield "a ring label of 1,900 digits", "too_large", "C%(" + "1" * 1_900 + ")CC%(" + "1" * 1_900 + ")"
    yield "ring labels of five digits", "ok", "C%(99999)CC%(99999)"
    yield "ring label of ten digits", "invalid_smiles", "C%(4294967297)CC%(4294967297)"


def branches() -> Iterator[tuple[str, str, str]]:
    yield "comb of 30,000 atoms", "too_large", "C(C)" * 15_000
    yield "comb of 480 atoms", "ok", "C(C)" * 240
    yield "650 branches in one another", "invalid_smiles", "C(" * 650 + "C"
    yield "400 branches in one another", "ok", "C(" * 400 + "C" + ")" * 400
    yield "50,000 branches in one another", "too_large", "C(" * 50_000 + "C" + ")" * 50_000
    for depth, wanted in ((7, "ok"), (9, "too_large"), (13, "too_large")):
        yield f"dendrimer of {depth} generations", wanted, dendrimer(depth)
    yield "100,000 open branches", "too_large", "(" * 100_000
    yield "1,900 closed branches", "invalid_smiles", ")" * 1_900


def brackets() -> Iterator[tuple[str, str, str]]:
    yield "100,000 brackets in one another", "too_large", "[" * 100_000
    yield "1,999 brackets in one another", "invalid_smiles", "[" * 1_999
    yield "100,000 brackets, and closed", "too_large", "[" * 100_000 + "]" * 100_000
    for name, atom in (
        ("isotope", "[{}C]"),
        ("charge", "[C+{}]"),
        ("hydrogens", "[CH{}]"),
        ("map number", "[CH4:{}]"),
        ("hydrogens behind a class of stereo", "[C@TH1H{}]"),
    ):
        yield f"{name} of 1,900 digits", "out_of_range_atom", atom.format("9" * 1_900)
        yield f"{name} of 100,000 digits", "too_large", atom.format("9" * 100_000)
    yield "1,900 charges", "out_of_range_atom", "[C" + "+" * 1_900 + "]"
    yield "a bond of 1,900 signs", "invalid_smiles", "C" + "=" * 1_900 + "C"
    yield "1,900 digits", "not_smiles", "1" * 1_900
    yield "a class of stereo of 1,900 digits", "invalid_smiles", "[C@TH" + "1" * 1_900 + "]"


def parts_of_many() -> Iterator[tuple[str, str, str]]:
    yield "4,000 ions", "too_large", ".".join(["[Na+]"] * 4_000)
    yield "300 ions", "too_large", ".".join(["[Na+]"] * 300)
    yield "61 parts", "too_large", ".".join(["CCO"] * 61)
    yield "60 parts", "ok", ".".join(["CCO"] * 60)
    yield "60 different parts", "ok", ".".join("C" * (n % 20 + 1) + "CNO"[n // 20] + "F" for n in range(60))
    yield "1,999 dots", "invalid_smiles", "C" + "." * 1_998
    yield "reaction of a megabyte", "too_large", "CC>" * 350_000
    yield "a megabyte of blanks", "empty", " " * 2**20
    yield "a megabyte of Cyrillic", "too_large", "\u0421" * 2**20
    yield "a megabyte of blanks between two atoms", "too_large", "C" + " " * 2**20 + "C"


def within() -> Iterator[tuple[str, str, str]]:
    """The largest of what is read."""
    yield "chain of 500 carbons", "ok", "C" * 500
    yield "acene of 24 rings", "ok", acene(24)
    yield "ring of 500 carbons", "ok", "C1" + "C" * 498 + "1"
    yield "24 rings of three", "ok", "C1CC1" * 24
    yield "peptide of 120 residues", "ok", "NCC(=O)" * 120 + "O"
    yield "300 stereo centres", "ok", "C" + "[C@H](F)" * 160 + "C"
    yield "240 marked double bonds", "ok", "F" + "/C=C" * 240 + "/F"
    yield "166 sulfoxides", "ok", "C" + "S(=O)C" * 160
    yield "100 azides", "ok", "C(N=[N+]=[N-])" * 100 + "C"
    yield "62 guanidinium ions", "ok", "NC(CCCNC(N)=[NH2+])C(=O)" * 40 + "O"
    yield "polyene with 160 imines", "ok", "C=CC(=N)" * 120 + "C"
    yield "120 phosphates", "ok", "OP(=O)([O-])" * 120 + "C"


def acene(n: int) -> str:
    """n benzene rings in a row."""
    labels = [f"%{i}" if i < 100 else f"%({i})" for i in range(11, 10 + n)]
    there, back = ("".join(f"c{label}c" for label in some) for some in (labels, reversed(labels)))
    return f"c1cc{there}cccc{back}c1"


def complete(atom: str, n: int) -> str:
    """n atoms, each of which is bound to all others."""
    label = {pair: i for i, pair in enumerate(combinations(range(n), 2), 10)}
    return "".join(atom + "".join(f"%({i})" for pair, i in label.items() if at in pair) for at in range(n))


def ladder(n: int) -> str:
    """Two rings of n carbons, each atom of which is bound to its like."""
    return (
        "C%(1)%(999)" + "".join(f"C%({i})" for i in range(2, n)) + f"C%({n})%(999)."
        "C%(1)%(998)" + "".join(f"C%({i})" for i in range(2, n)) + f"C%({n})%(998)"
    )


def dendrimer(depth: int) -> str:
    """Twice as many branches in each generation."""
    text = "C"
    for _ in range(depth):
        text = f"C({text}){text}"
    return text


if __name__ == "__main__":
    main()
