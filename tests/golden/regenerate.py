"""Writes the stored predictions of the shipped models: python tests/golden/regenerate.py"""

from __future__ import annotations

import json
from pathlib import Path

import molmeta
import molmeta.assays


def main() -> None:
    lines = molmeta.assays.path("drugs").read_text(encoding="utf-8").splitlines()
    smiles = [line.split("\t")[0] for line in lines[::20]]
    for model in ("base", "fast"):
        golden = {}
        for name in ("bbb", "logp"):
            predictor = molmeta.adapt(molmeta.assays.path(name), model=model, device="cpu", verdict=False)
            table = predictor.predict(smiles)
            columns = ("mm_score", "mm_std", "mm_low", "mm_high")
            golden[name] = {"smiles": smiles} | {c: [float(v) for v in table[c]] for c in columns}
        path = Path(__file__).with_name(f"{model}.json")
        path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
