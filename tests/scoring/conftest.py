"""Small models and libraries to score with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rdkit import Chem

from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import save_checkpoint
from molmeta.learner import Learner
from molmeta.predictor import Predictor

JUNK = ("", "C1CC", "CCССO", "c1ccccc1>>CCO", "C" * 3000)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Predictor]:
    """Of classes (bbb) and of values (logp)."""
    torch.manual_seed(0)
    learner = Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})
    path = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(path, learner)
    return [adapt(assays.path(name), path, verdict=False) for name in ("bbb", "logp")]


def spellings(n: int, seed: int = 0) -> list[str]:
    """n random spellings of drugs, 1 % of them junk."""
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    mols = [Chem.MolFromSmiles(line.split()[0]) for line in lines]
    texts = []
    for i in range(n):
        mol = mols[(i * 7 + seed) % len(mols)]
        texts.append(Chem.MolToRandomSmilesVect(mol, 1, randomSeed=i + seed)[0])
    return [JUNK[i % len(JUNK)] if i % 100 == 37 else text for i, text in enumerate(texts)]


def write_smi(path: Path, texts: list[str]) -> Path:
    """A table id,smiles (junk would break lines of a .smi file)."""
    rows = [f'{i},"{text}"' for i, text in enumerate(texts)]
    path.write_text("\n".join(["id,smiles", *rows]) + "\n", encoding="utf-8")
    return path
