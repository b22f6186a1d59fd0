"""Does a score depend on how the SMILES of a compound is written?

    python benchmarks/spellings.py --compounds 1000 --spellings 20 --out spellings.json

Compounds are those of the shipped assays, and to make up the number mutants of them that are read. Each is
written in so many random ways; the shipped models, adapted to a shipped assay of classes and one of values,
score every spelling. Prints the largest spread of a column among the spellings of one compound, in
proportion where a number is above 1, and how many compounds have another status, parent or call in one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import torch
from funnelling import spellings
from fuzz import starts
from harness import save, seconds
from mutation import mutant

import molmeta
from molmeta import assays
from molmeta.chem.molecule import Molecule
from molmeta.chem.smiles import read_smiles

_SAME = ("mm_status", "mm_smiles", "mm_call", "mm_in_domain")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--compounds", type=int, default=1000)
    made.add_argument("--spellings", type=int, default=20)
    made.add_argument("--model", dest="models", action="append", help="default base and fast")
    made.add_argument("--assay", dest="assays", action="append", help="default bbb and logp")
    made.add_argument("--seeds", type=Path, help="more compounds, one SMILES a line")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    texts = list(written(starts(options.seeds), options))
    compound = np.repeat(np.arange(len(texts)), [len(one) for one in texts])
    column = [text for one in texts for text in one]
    print(f"{len(column):,} spellings of {len(texts):,} compounds, {seconds(began)}")
    rows = []
    for model in options.models or ["base", "fast"]:
        for assay in options.assays or ["bbb", "logp"]:
            predictor = molmeta.adapt(assays.path(assay), model, device="cpu", verdict=False)
            rows.append({"model": model, "assay": assay} | spread(predictor.predict(column), compound))
            print(rows[-1], seconds(began), flush=True)
    if options.out:
        save(options.out, {"compounds": len(texts), "spellings": options.spellings, "rows": rows})


def written(seeds: Sequence[str], options: argparse.Namespace) -> Iterator[list[str]]:
    """The spellings of each compound."""
    draws, seen, made = Random(options.seed), set[str](), 0
    endless = (mutant(draws, seeds) for _ in iter(int, 1))
    for source in (seeds, endless):
        for text in source:
            own = read_smiles(1, text)
            if made < options.compounds and isinstance(own, Molecule) and own.smiles not in seen:
                seen.add(own.smiles)
                if found := spellings(text, options.spellings, options.seed + made):
                    made += 1
                    yield [text, *found]
            if made == options.compounds:
                return


def spread(table: pd.DataFrame, compound: np.ndarray) -> dict[str, float]:
    """The largest difference in each column of numbers within a compound, and how many differ in others."""
    groups = table.groupby(compound)
    found: dict[str, float] = {}
    for name in table.columns:
        if name in _SAME:
            found[f"{name} differs"] = int((groups[name].nunique(dropna=False) > 1).sum())
        elif name.startswith("mm_") and pd.api.types.is_float_dtype(table[name]):
            size = groups[name].max().abs().clip(lower=1.0)
            found[name] = float(((groups[name].max() - groups[name].min()) / size).max())
    return found


if __name__ == "__main__":
    main()
