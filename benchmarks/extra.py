"""What more assays bring: a data folder of FS-Mol train and of the antiviral and antimicrobial assays.

    python benchmarks/extra.py DATA_DIR/fsmol DATA_DIR/organisms/assays.csv.gz -o data-extra
    molmeta train benchmarks/base-dev.toml --data data-extra -o runs/extra

The added assays get the role "train". Left out are those that measure fewer than FEWEST compounds or
one class only, and those that share more than SHARED of their compounds with one assay on which choices
are made or reported.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

FEWEST = 10
SHARED = 0.1
TRUE = {"True": 1, "1": 1, "False": 0}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("fsmol", type=Path)
    made.add_argument("added", type=Path)
    made.add_argument("-o", "--out", type=Path, required=True)
    options = made.parse_args()
    train = pd.read_csv(options.fsmol / "train.csv.gz", dtype={"relation": str})
    valid = pd.read_csv(options.fsmol / "valid.csv.gz")
    assays = pd.read_csv(options.fsmol / "assays.csv", low_memory=False).set_index("assay")
    evaluated = pd.concat([train[train["assay"].map(assays["role"]) != "train"], valid])
    added = chosen(read(options.added), evaluated)
    options.out.mkdir(parents=True)
    shutil.copyfile(options.fsmol / "valid.csv.gz", options.out / "valid.csv.gz")
    pd.concat([train, added]).to_csv(options.out / "train.csv.gz", index=False)
    pd.concat([assays, described(added)]).to_csv(options.out / "assays.csv", index_label="assay")
    print(f"{added['assay'].nunique()} assays with {len(added)} measurements beside FS-Mol in {options.out}")


def read(path: Path) -> pd.DataFrame:
    """Columns as in an FS-Mol table; values are exact."""
    table = pd.read_csv(path, low_memory=False, dtype={"active": str})
    table = table.assign(
        label=table["active"].map(TRUE),
        p_value=table["pchembl_value"],
        value=10 ** (9 - table["pchembl_value"]),
        relation="=",
    )
    return table[["assay", "smiles", "label", "value", "p_value", "relation"]].dropna()


def chosen(table: pd.DataFrame, evaluated: pd.DataFrame) -> pd.DataFrame:
    known = evaluated.groupby("smiles")["assay"].agg(set)
    kept = []
    for _, rows in table.groupby("assay"):
        met = rows["smiles"].drop_duplicates().map(known).dropna()
        most = met.explode().value_counts().max() if len(met) else 0
        if len(rows) >= FEWEST and rows["label"].nunique() == 2 and most <= SHARED * len(rows):
            kept.append(rows)
    return pd.concat(kept)


def described(table: pd.DataFrame) -> pd.DataFrame:
    names = pd.Index(table["assay"].unique(), name="assay")
    return pd.DataFrame({"kind": "pXC50", "role": "train", "residual_panel": 0}, index=names)


if __name__ == "__main__":
    main()
