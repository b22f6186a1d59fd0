"""The picture of the README: the shipped drug library, ranked by a model of the example assay.

python benchmarks/picture.py assays/bbb.csv assays/drugs.smi docs/drugs.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

import molmeta

COLUMNS, ROWS, WIDTH, HEIGHT = 4, 2, 300, 250


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assay", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    predictor = molmeta.adapt(options.assay, verdict=False)
    lines = [line.split("\t") for line in options.library.read_text(encoding="utf-8").splitlines()]
    table = predictor.predict([smiles for smiles, _ in lines]).assign(name=[name for _, name in lines])
    measured = set(predictor.support.smiles)
    new = table[~table["mm_smiles"].isin(measured)].sort_values("mm_score", ascending=False)
    chosen = pd.concat([new.head(COLUMNS), new.tail(COLUMNS)])
    options.picture.write_bytes(draw(chosen))
    print(chosen[["name", "mm_probability", "mm_low", "mm_high", "mm_nearest", "mm_nearest_similarity"]])


def draw(table: pd.DataFrame) -> bytes:
    """PNG of the compounds, with name, probability and nearest measured compound under each."""
    drawer = rdMolDraw2D.MolDraw2DCairo(COLUMNS * WIDTH, ROWS * HEIGHT, WIDTH, HEIGHT)
    options = drawer.drawOptions()
    options.legendFontSize, options.legendFraction, options.padding = 15, 0.24, 0.06
    legends = [
        f"{row['name']}   p = {row['mm_probability']:.2f}  [{row['mm_low']:.2f}, {row['mm_high']:.2f}]\n"
        f"nearest: {row['mm_nearest']} ({row['mm_nearest_label']:.0f}), "
        f"similarity {row['mm_nearest_similarity']:.2f}"
        for _, row in table.iterrows()
    ]
    drawer.DrawMolecules([Chem.MolFromSmiles(s) for s in table["mm_smiles"]], legends=legends)
    drawer.FinishDrawing()
    return bytes(drawer.GetDrawingText())


if __name__ == "__main__":
    main()
