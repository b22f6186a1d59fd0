"""Private models: the same numbers, and nothing in the file that says what the compounds are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from typer.testing import CliRunner

import molmeta
from molmeta import assays
from molmeta.adaptation import adapt
from molmeta.checkpoint import load_checkpoint, save_checkpoint
from molmeta.chem.features import compound_hash
from molmeta.cli.app import app
from molmeta.data.support import Support
from molmeta.errors import CheckpointError, ConfigError, RefusedError
from molmeta.explain import carriers, contributions
from molmeta.learner import Learner
from molmeta.loading import load
from molmeta.predictor import Predictor
from molmeta.private import hash_of
from molmeta.updating import update

HEADS: dict[str, dict[str, Any]] = {
    "evidence": {"dim": 8},
    "mhnfs": {"dim": 8, "width": 8, "hidden": 8},
    "maml": {"dim": 8},
}
NEW = ["CCO", "c1ccccc1O", "C1CC", "", "CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O.[Na+].[Cl-]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that remembers two compounds of the example assay, with last layers of heads."""
    torch.manual_seed(0)
    encoder = {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}
    learner = Learner(encoder, HEADS, ["mhnfs"])
    support = molmeta.read_assay(_table("bbb")).molecules
    known = sorted(compound_hash(one.smiles) for one in support[:2])
    table = learner.head("evidence").profiles
    table.fill(
        key=torch.tensor(known),
        count=torch.ones(2, dtype=torch.int32),
        assay=torch.zeros(2, dtype=torch.int32),
        value=torch.tensor([9, -9], dtype=torch.int8),
    )
    learner.seen = torch.tensor(known)
    path = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(path, learner)
    return path


Both = tuple[Predictor, Path]


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Both]:
    """Models that are open, and the files of the private ones."""
    found = {}
    for name in ("bbb", "logp"):
        opened = adapt(_table(name), folder, device="cpu", verdict=False)
        path = tmp_path_factory.mktemp("private") / "p.molmeta"
        opened.as_private().save(path)
        found[name] = opened, path
    return found


@pytest.fixture(params=["bbb", "logp"])
def both(request: pytest.FixtureRequest, made: dict[str, Both]) -> Both:
    """A model of classes, and one of values."""
    return made[request.param]


@pytest.fixture
def classes(made: dict[str, Both]) -> Both:
    return made["bbb"]


def _table(name: str) -> pd.DataFrame:
    """Every third compound of an example assay."""
    return pd.read_csv(assays.path(name)).iloc[::3]


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in (key, *_strings(one))]
    return [text for one in value for text in _strings(one)] if isinstance(value, list) else []


def test_scores_are_the_same_to_the_last_bit(both: Both) -> None:
    opened, path = both
    private = load(path, device="cpu")
    asked = [*NEW, *opened.support.smiles[:5]]
    before, after = opened.predict(asked), private.predict(asked)
    told = before.pop("mm_nearest"), after.pop("mm_nearest")
    assert before.to_csv(float_format="%.17g") == after.to_csv(float_format="%.17g")
    rows = dict(zip(opened.support.names(), opened.support.rows, strict=True))
    for name, row in zip(*told, strict=True):
        assert pd.isna(name) == pd.isna(row)
        assert pd.isna(name) or row == f"row {rows[name][0]}"


def test_no_structure_and_no_name_is_in_the_file(both: Both) -> None:
    opened, path = both
    data = path.read_bytes()
    found = load_tensors(data)
    state = json.loads(bytes(found["state"].numpy()))
    said = _strings(state)
    assert opened.recipe is not None
    ledger = opened.recipe.ledger
    texts = {m.text for m in ledger.measurements} | {m.identifier for m in ledger.measurements}
    secrets = {*opened.support.smiles, *opened.support.ids, *texts, ledger.parts[0].file} - {"", opened.name}
    assert len(secrets) > 40
    assert not secrets & set(said)
    # Short texts occur in numbers and words by chance.
    assert not [text for text in secrets if len(text) > 5 and text.encode() in data]
    assert not {"compounds.graph.atoms", "compounds.descriptors"} & found.keys()
    assert state["recipe"] is None


def test_identity_is_kept_of_public_compounds_alone(both: Both, folder: Path) -> None:
    opened, path = both
    stored = set(load_tensors(path.read_bytes())["compounds.identity"].tolist())
    own = {compound_hash(smiles) for smiles in opened.support.smiles}
    public = own & set(load_checkpoint(folder).seen.tolist())
    assert stored & own == public
    assert opened.name != "bbb" or len(public) == 2


def test_hashes_of_two_files_differ(folder: Path) -> None:
    table = pd.DataFrame({"smiles": ["CCO", "CCN", "CCC", "CCCl", "CCBr"], "active": [1, 0, 1, 0, 1]})
    first = adapt(table, folder, device="cpu", verdict=False).as_private()
    again = adapt(table, folder, device="cpu", verdict=False).as_private()
    other = adapt(table.iloc[:4], folder, device="cpu", verdict=False).as_private()
    assert first.hidden is not None
    assert again.hidden is not None
    assert other.hidden is not None
    assert first.hidden.hashes == again.hidden.hashes
    assert not set(first.hidden.hashes) & set(other.hidden.hashes)
    assert first.places["CCO"] == other.places["CCO"] == 0
    assert "CCS" not in first.places
    assert list(first.places) == list(first.hidden.hashes)
    assert hash_of("CCO", first.hidden.salt) == first.hidden.hashes[0]


@pytest.mark.parametrize("labels", [[1, 0], [1, 0, 0]])
def test_a_compound_that_cannot_be_left_out(labels: list[int], folder: Path, tmp_path: Path) -> None:
    smiles = ["CCO", "CCN", "CCC"][: len(labels)]
    table = pd.DataFrame({"smiles": smiles, "active": labels})
    opened = adapt(table, folder, device="cpu", verdict=False)
    opened.as_private().save(tmp_path / "p.molmeta")
    private = load(tmp_path / "p.molmeta", device="cpu")
    before, after = (one.predict(smiles).drop(columns="mm_nearest") for one in (opened, private))
    pd.testing.assert_frame_equal(before, after)


def test_other_heads_and_a_reference(folder: Path, tmp_path: Path) -> None:
    opened = adapt(_table("bbb"), folder, device="cpu", verdict=False, head="mhnfs")
    opened.as_private().save(tmp_path / "p.molmeta", reference_only=True)
    private = load(tmp_path / "p.molmeta", device="cpu")
    assert (tmp_path / "p.molmeta").stat().st_size < 250_000
    assert private.hidden is not None
    assert private.hidden.mols.hidden is not None
    before, after = (one.predict(NEW).drop(columns="mm_nearest") for one in (opened, private))
    pd.testing.assert_frame_equal(before, after)


def test_a_private_model_stays_one(both: Both, tmp_path: Path) -> None:
    _, path = both
    private = load(path, device="cpu")
    assert private.as_private() is private
    private.save(tmp_path / "again.molmeta")
    assert (tmp_path / "again.molmeta").read_bytes() == path.read_bytes()
    assert private.report.notes[0].startswith("private: the file keeps fingerprints")
    with pytest.raises(RefusedError, match="keeps no structures"):
        private.support.molecules()


def test_what_can_have_no_private_model(folder: Path, classes: Both) -> None:
    with pytest.raises(RefusedError, match="'maml' adapts the encoder"):
        adapt(_table("bbb"), folder, device="cpu", verdict=False, head="maml").as_private()
    opened = classes[0]
    with pytest.raises(ConfigError, match="nothing to keep private"):
        replace(opened, support=Support(opened.support.target, (), (), (), (), ())).as_private()


def test_explanations_name_rows(both: Both) -> None:
    opened, path = both
    private = load(path, device="cpu")
    before, after = carriers(opened, "CCOc1ccccc1"), carriers(private, "CCOc1ccccc1")
    assert after.pop("labelled").str.fullmatch(r"row \d+").all()
    pd.testing.assert_frame_equal(before.drop(columns="labelled"), after)
    for smiles in ("CCOc1ccccc1", opened.support.smiles[0]):
        (one,), (two,) = contributions(opened, smiles), contributions(private, smiles)
        assert one.values.tolist() == two.values.tolist()


def test_rows_cannot_be_added(classes: Both) -> None:
    with pytest.raises(RefusedError, match="keeps no rows, to which others could be added"):
        update(load(classes[1], device="cpu"), pd.DataFrame({"smiles": ["CCO"], "label": [1]}))


def test_a_notebook_shows_no_structure(classes: Both) -> None:
    shown = load(classes[1], device="cpu")._repr_html_()
    assert "<svg" not in shown
    assert "row 1" not in shown
    assert "<strong>" in shown


@pytest.fixture
def library(classes: Both, tmp_path: Path) -> Path:
    """Two new compounds, and two that are labelled."""
    new = ["CCOc1ccccc1,new-1", "CCCCc1ccccc1,new-2"]
    old = [f"{smiles},old-{i}" for i, smiles in enumerate(classes[0].support.smiles[:2])]
    (tmp_path / "library.csv").write_text("\n".join(["smiles,name", *new, *old]) + "\n")
    return tmp_path / "library.csv"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["score", "LIBRARY", "-o", "OUT.csv", "--workers", "0"], 0, "4 scored"),
        (["suggest", "LIBRARY", "-n", "2", "-o", "OUT.csv", "--workers", "0"], 0, "2 measured"),
        (["explain", "CCOc1ccccc1"], 0, "row "),
        (["explain", "CCOc1ccccc1", "-o", "OUT.svg"], 0, "Wrote"),
        (["report", "LIBRARY", "-o", "OUT.html", "--workers", "0"], 0, "Wrote"),
        (["report", "-o", "OUT.html", "--workers", "0"], 0, "Wrote"),
        (["update", "LIBRARY"], 5, "is private: it keeps no rows"),
        (["score", "LIBRARY", "-o", "OUT.csv", "--cascade", "0.5"], 5, "is private: it keeps no structures"),
    ],
)
def test_commands_work_or_say_why_not(
    arguments: list[str], code: int, said: str, classes: Both, library: Path
) -> None:
    opened, path = classes
    command, *rest = [
        one.replace("LIBRARY", str(library)).replace("OUT", str(library.with_name("out")))
        for one in arguments
    ]
    done = CliRunner().invoke(app, [command, str(path), *rest])
    assert done.exit_code == code, done.output
    assert said in done.output
    written = b"".join(one.read_bytes() for one in library.parent.glob("out*"))
    # The group of an explanation may be called like a compound.
    names = {name for name in opened.support.ids if len(name) > 5} - {"benzene"}
    assert not [name for name in names if name.encode() in written or name in done.output]


def test_the_command_says_what_it_does_not_protect(folder: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "x.molmeta", tmp_path / "x.html"
    given = ["adapt", str(assays.path("bbb")), "--model", str(folder), "--private", "--no-verdict"]
    done = CliRunner().invoke(app, [*given, "-o", str(out), "--report", str(page)])
    assert done.exit_code == 0, done.output
    assert "fingerprints can be inverted in part" in done.output
    assert load(out, device="cpu").hidden is not None
    assert "The model is private" in page.read_text(encoding="utf-8")
    done = CliRunner().invoke(app, ["adapt", "--zero-shot", "--private", "-o", str(out), "--force"])
    assert done.exit_code == 2
    assert "--private is for models of labelled compounds" in done.output


def _without(name: str) -> Any:
    return lambda parts, state: parts.pop(f"compounds.{name}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


@pytest.mark.parametrize(
    "forge",
    [
        _without("counts"),
        _without("embedding"),
        lambda parts, state: parts.update({"compounds.graph.atoms": torch.zeros(2)}),
        lambda parts, state: parts.update({"compounds.counts": parts["compounds.counts"][1:].clone()}),
        lambda parts, state: parts.update({"compounds.counts": parts["compounds.counts"].float()}),
        lambda parts, state: parts["compounds.embedding"].fill_(torch.nan),
        lambda parts, state: state.pop("hidden"),
        lambda parts, state: state.update(hidden=7),
        lambda parts, state: state["hidden"].update(salt="zz"),
        lambda parts, state: state["hidden"].update(hashes=[]),
        lambda parts, state: state["hidden"]["hashes"].__setitem__(0, "../../etc/passwd"),
        lambda parts, state: state["support"]["smiles"].__setitem__(0, "CCO"),
    ],
)
def test_a_forged_one_is_refused(forge: Any, classes: Both, tmp_path: Path) -> None:
    path = tmp_path / "p.molmeta"
    parts = load_tensors(classes[1].read_bytes())
    state = json.loads(bytes(parts["state"].numpy()))
    forge(parts, state)
    parts["state"] = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)
    note = {"format": 2, "sha256": _digest(save(parts))}
    path.write_bytes(save(parts, metadata={"molmeta": json.dumps(note)}))
    with pytest.raises(CheckpointError):
        load(path, device="cpu")
