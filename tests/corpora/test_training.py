"""Training and evaluation on a corpus give what the same rows give otherwise, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import molmeta.assays
from molmeta.chem.batch import MolBatch, to_tensors
from molmeta.corpora.build import build
from molmeta.corpora.config import CorpusConfig, Filters
from molmeta.corpora.packing import StoredBatch
from molmeta.corpora.reading import read_assays
from molmeta.data.collection import read_corpus
from molmeta.data.corpus import Corpus
from molmeta.errors import ConfigError, InputError
from molmeta.training import train

NEEDS = ("counts", "pairs", "descriptors", "identity", "graph")
CONFIG = """
name = "tiny"
[data]
train = "{train}"
roles = {roles}
valid = "{valid}"
valid_roles = {valid_roles}
reserve = 0.3
workers = 1
[encoder]
name = "fingerprint"
width = 16
depth = 1
dim = 8
[heads.evidence]
dim = 8
[pretrain]
epochs = 2
batch_size = 16
warmup = 2
value_weight = 0.5
validate_every = 1
[episodic]
steps = 4
episodes = 2
k_max = 16
query = 16
validate_every = 2
[validation]
support_sizes = [8]
draws = 2
"""


def write_assays(folder: Path, names: range, seed: int) -> Path:
    """Assays of 40 drugs each, one file an assay: pIC50 with a bound here and there, and classes."""
    rng = np.random.default_rng(seed)
    lines = molmeta.assays.path("drugs").read_text(encoding="utf-8").splitlines()
    smiles = [line.split("\t")[0] for line in lines]
    folder.mkdir()
    for i in names:
        chosen = rng.choice(len(smiles), 40, replace=False)
        values = np.round(6.5 + rng.standard_normal(40), 2)
        text = [f"{'>' if n % 11 == 3 else ''}{value}" for n, value in enumerate(values)]
        table = pd.DataFrame({"smiles": [smiles[j] for j in chosen], "pIC50": text})
        if i % 3 == 2:
            table = table.assign(active=(values > 6.5).astype(int)).drop(columns="pIC50")
        table.to_csv(folder / f"a{i}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in train/ and valid/, and a corpus of each."""
    folder = tmp_path_factory.mktemp("same")
    keep = CorpusConfig(filters=Filters(min_compounds=2, min_active=0, max_active=1))
    for name, assays, seed in (("train", range(6), 1), ("valid", range(6, 9), 2)):
        write_assays(folder / name, assays, seed)
        build(folder / name, folder / f"{name}-corpus", keep)
    return folder


def same(a: Corpus, b: Corpus) -> None:
    assert a.smiles == b.smiles
    assert list(a.assays.index) == list(b.assays.index)
    assert list(a.assays["kind"]) == list(b.assays["kind"])
    for name in ("assay", "mol", "label", "value", "relation"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    ours, theirs = to_tensors(a.mols.loaded()), to_tensors(b.mols.loaded())
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
        assert tensor.dtype == theirs[name].dtype


def test_a_corpus_is_read_as_its_files_are(folder: Path) -> None:
    same(read_assays(folder / "train-corpus", NEEDS), read_corpus(folder / "train", NEEDS))


def test_training_on_a_corpus_gives_the_same_weights(folder: Path, tmp_path: Path) -> None:
    weights = {}
    for suffix in ("", "-corpus"):
        config = tmp_path / f"c{suffix}.toml"
        names = {"train": f"train{suffix}", "valid": f"valid{suffix}"}
        config.write_text(CONFIG.format(**names, roles=[], valid_roles=[]), encoding="utf-8")
        report = train(config, tmp_path / f"run{suffix}", data=folder, device="cpu")
        weights[suffix] = load_file(report.folder / "weights.safetensors")
    assert weights[""].keys() == weights["-corpus"].keys()
    assert all(torch.equal(tensor, weights["-corpus"][name]) for name, tensor in weights[""].items())


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    """All nine assays, in folds."""
    everything = folder / "all"
    everything.mkdir()
    for file in [*(folder / "train").iterdir(), *(folder / "valid").iterdir()]:
        (everything / file.name).write_bytes(file.read_bytes())
    keep = CorpusConfig.model_validate(
        {
            "filters": {"min_compounds": 2, "min_active": 0, "max_active": 1},
            "folds": {"assays": {"valid": 0.2, "test": 0.2}, "compounds": {"test": 0.3}},
        }
    )
    build(everything, folder / "all-corpus", keep)
    return folder / "all-corpus"


def test_folds_are_roles(folder: Path, corpus: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    names = {"train": "all-corpus", "valid": "all-corpus", "roles": '["train"]', "valid_roles": '["valid"]'}
    config.write_text(CONFIG.format(**names), encoding="utf-8")
    report = train(config, tmp_path / "run", data=folder, device="cpu")
    assert (report.folder / "config.json").is_file()
    assert not (report.folder / "cache").exists()  # the corpus is one


def test_a_fold_is_read_as_if_it_stood_alone(corpus: Path, tmp_path: Path) -> None:
    fold = read_assays(corpus, NEEDS, roles=["train"])
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in fold.assays.index:
        (alone / f"{name}.csv").write_bytes((corpus.parent / "all" / f"{name}.csv").read_bytes())
    assert len(fold) == 7
    same(fold, read_corpus(alone, NEEDS))


def test_folds_of_compounds_part_the_measurements(corpus: Path) -> None:
    both, seen, new = (read_assays(corpus, NEEDS, roles=[r]) for r in ("train", "train@train", "train@test"))
    assert len(seen.label) + len(new.label) == len(both.label)
    assert not set(seen.smiles) & set(new.smiles)
    assert set(seen.smiles) | set(new.smiles) == set(both.smiles)
    everywhere = read_assays(corpus, NEEDS, roles=["@test"])
    assert set(new.smiles) <= set(everywhere.smiles)
    assert len(everywhere) == 9
    again = read_assays(corpus, NEEDS, roles=["train@train", "train@test"])
    assert len(again.label) == len(both.label)


def test_a_fold_that_is_not_there_is_told(corpus: Path) -> None:
    with pytest.raises(InputError, match=r"no fold 'dev'; it has test, train, valid"):
        read_assays(corpus, NEEDS, roles=["dev"])
    with pytest.raises(InputError, match=r"no fold 'valid'; it has test, train"):
        read_assays(corpus, NEEDS, roles=["train@valid"])


def test_a_feature_that_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    few = CorpusConfig.model_validate({"filters": {"min_compounds": 2}, "features": {"fields": ["counts"]}})
    build(folder / "valid", tmp_path / "few", few)
    assert read_assays(tmp_path / "few", ["counts"]).mols.need("counts").shape[1] == 2048
    with pytest.raises(ConfigError, match=r"no descriptors, graph; build it again"):
        read_assays(tmp_path / "few", ["counts", "graph", "descriptors"])


def test_features_stay_on_disk_until_they_are_selected(corpus: Path) -> None:
    mols = read_assays(corpus, NEEDS).mols
    assert isinstance(mols, StoredBatch)
    part = mols.select(torch.tensor([5, 2, 5]))
    assert type(part) is MolBatch
    for name, tensor in to_tensors(part).items():
        whole = to_tensors(mols.loaded().select(torch.tensor([5, 2, 5])))[name]
        assert torch.equal(tensor, whole), name
    mask = torch.zeros(len(mols), dtype=torch.bool)
    mask[[2, 5]] = True
    assert torch.equal(mols.select(mask).need("identity"), mols.need("identity")[[2, 5]])
    assert torch.equal(mols.view(torch.tensor([3])).need("counts"), mols.need("counts")[[3]])
    assert len(mols.select(torch.zeros(0, dtype=torch.long))) == 0
