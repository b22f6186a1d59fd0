"""Programs beside which molmeta is measured: chemprop, from the command line of a virtual environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
from rdkit import Chem, rdBase
from trial import Row, Trial, by_difference, one_core, timed

FASTER = 1.4  # than chemprop, to be reached
TRAINED_ON = 300
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Its own batches are small; larger ones may be faster.
SETTINGS = {"chemprop predict": (), "chemprop predict, batches of 512": ("--batch-size", "512")}


@dataclass(frozen=True)
class Chemprop:
    """The program, in a folder of its own."""

    program: Path
    folder: Path

    @property
    def version(self) -> str:
        code = "import importlib.metadata as m; print(m.version('chemprop'))"
        # Not resolved: a virtual environment is known by the path of its Python.
        python = self.program.with_name("python")
        return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    def train(self, smiles: list[str]) -> None:
        """A default model, for one epoch: it takes the same time to predict as a good one."""
        table = self.folder / "train.csv"
        pd.DataFrame({"smiles": smiles, "length": [len(one) for one in smiles]}).to_csv(table, index=False)
        out = self.folder / "model"
        self._run("train", "--data-path", table, "--output-dir", out, "--epochs", "1", "--warmup-epochs", "0")

    def predict(self, smiles: list[str], *settings: str) -> None:
        table = self.folder / "test.csv"
        pd.DataFrame({"smiles": smiles}).to_csv(table, index=False)
        model = self.folder / "model" / "model_0" / "best.pt"
        out = self.folder / "predicted.csv"
        self._run("predict", "--test-path", table, "--model-paths", model, "--preds-path", out, *settings)
        if len(pd.read_csv(out)) != len(smiles):
            raise SystemExit(f"chemprop predicted other than {len(smiles)} rows")

    def _run(self, *words: str | Path) -> None:
        command = [self.program, *words, "--num-workers", "0", "--accelerator", "cpu"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | _ONE_THREAD, cwd=self.folder
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")


def peers(trial: Trial) -> Iterator[Row]:
    """Molecules of the sample a second on one core, start-up left out, and how many times that base does.

    Only structures that RDKit can read: one that it cannot ends a run of chemprop.
    """
    if trial.options.chemprop is None:
        print("\npeers are left out: give --chemprop")
        return
    with rdBase.BlockLogs():
        smiles = [one for one in trial.sample if Chem.MolFromSmiles(one) is not None]
    folder = trial.folder / "chemprop"
    folder.mkdir()
    chemprop = Chemprop(trial.options.chemprop.absolute(), folder)
    rates: dict[str, list[float]] = {name: [] for name in SETTINGS}
    own = []
    with one_core():
        chemprop.train(smiles[:TRAINED_ON])
        for _ in range(trial.options.rounds):
            for name, settings in SETTINGS.items():

                def measure(rows: int, settings: tuple[str, ...] = settings) -> float:
                    return timed(lambda: chemprop.predict(smiles[:rows], *settings))

                rates[name].append(by_difference(measure, len(smiles) // 4, len(smiles)))
            own.append(trial.steady(trial.model("base"), None))
    shown = {"molmeta, base, all columns": (own, "–")}
    for name, found in rates.items():
        faster = median(mine / theirs for mine, theirs in zip(own, found, strict=True))
        shown[name.replace("chemprop", f"chemprop {chemprop.version}")] = (found, f"{faster:.2f}")
    for name, (found, faster) in shown.items():
        yield {
            "program": name,
            "molecules a second": round(median(found)),
            "base is faster by": faster,
            "wanted": "–" if found is own else f"{FASTER}",
        }
