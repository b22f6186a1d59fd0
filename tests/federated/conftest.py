"""Labs with a few assays each, whose targets no other lab has."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen, rdMolDescriptors

import molmeta.assays
from molmeta.federated.average import Average
from molmeta.federated.lab import Lab
from molmeta.federated.plan import FederatedConfig, last_round
from molmeta.training.group import ALONE

# Flower's versions of typer and rich are not those of the other tests: what needs it runs in an environment
# of its own (docs/federated.md).
collect_ignore = [] if find_spec("flwr") else ["test_network.py"]

CONFIG = """
name = "together"
seed = 3

[data]
train = "train.csv.gz"
valid = "valid.csv.gz"
reserve = 0.4
workers = 1
roles = ["train"]

[encoder]
name = "fingerprint"
width = 32
depth = 1
dim = 16
dropout = 0.0

[heads.evidence]
dim = 16

[pretrain]
epochs = 4
batch_size = 16
warmup = 5
value_weight = 0.5
validate_every = 4

[episodic]
steps = 4
episodes = 2
k_max = 16
query = 16
validate_every = 4

[validation]
support_sizes = [16]
draws = 1

[federated]
labs = 3
least = 2
rounds = 2
prior_rounds = 2
"""
_RULES = (Crippen.MolLogP, rdMolDescriptors.CalcTPSA, rdMolDescriptors.CalcExactMolWt)


def make_lab(folder: Path, number: int, assays: int = 6) -> Path:
    """A folder of data for one lab: assays on simple rules, of compounds of its own."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    lines = molmeta.assays.path("drugs").read_text(encoding="utf-8").splitlines()
    smiles = [line.split("\t")[0] for line in lines]
    rows: list[tuple[object, ...]] = []
    names: list[tuple[object, ...]] = []
    for i in range(assays + 2):
        role = "train" if i < assays else "valid_select"
        name, rule = f"L{number}A{i}", _RULES[(i + number) % len(_RULES)]
        chosen = rng.choice(len(smiles), 40, replace=False)
        value = np.array([rule(Chem.MolFromSmiles(smiles[j])) for j in chosen], dtype=float)
        value = 6 + (value - value.mean()) / value.std() + 0.3 * rng.standard_normal(len(chosen))
        rows += [
            (role, name, smiles[j], int(v > np.median(value)), 10 ** (9 - v), v, "=")
            for j, v in zip(chosen, value, strict=True)
        ]
        names.append((name, "pXC50", 100 * number + i, role, "", "", 0))
    columns = ["role", "assay", "smiles", "label", "value", "p_value", "relation"]
    table = pd.DataFrame(rows, columns=columns)
    for role, file in (("train", "train"), ("valid_select", "valid")):
        table[table["role"] == role].drop(columns="role").to_csv(folder / f"{file}.csv.gz", index=False)
    columns = [
        "assay",
        "kind",
        "target_id",
        "role",
        "protein_family",
        "protein_super_family",
        "residual_panel",
    ]
    pd.DataFrame(names, columns=columns).to_csv(folder / "assays.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that labs and server have agreed upon."""
    path = tmp_path_factory.mktemp("plan") / "together.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def lab_folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Data of three labs."""
    root = tmp_path_factory.mktemp("labs")
    return [make_lab(root / f"lab{i}", i) for i in range(3)]


def new_lab(config: FederatedConfig, out: Path, data: Path, resume: bool = False) -> Lab:
    """A lab as it is before its first round, or after its last one."""
    out.mkdir(parents=True, exist_ok=True)
    lab = Lab(config, out, lambda _: None, ALONE)
    if resume:
        lab.restore()
    lab.read(data, out / "cache")
    _ = lab.stage_a  # made of the random numbers that follow the learner's, as in a process of its own
    return lab


def go(average: Average, labs: Sequence[Lab], until: int | None = None) -> None:
    """Rounds as a server without secure aggregation goes through them."""
    last = last_round(average.config) if until is None else until
    while average.round < last:
        values = average.values()
        answers = [lab.round(average.round + 1, values) for lab in labs]
        weights = np.array([weight for _, weight in answers], dtype=float)
        updates = zip(*(update for update, _ in answers), strict=True)
        mean = [np.tensordot(weights / weights.sum(), np.stack(u), 1).astype(np.float32) for u in updates]
        average.take(mean, len(labs), 0.0)
