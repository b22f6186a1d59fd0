"""Model files that nobody should load: each is refused in one sentence, at no cost, and nothing is run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import molmeta
from molmeta import checkpoint
from molmeta.atlas import Atlas
from molmeta.checkpoint import find_checkpoint, load_atlas, load_checkpoint, save_checkpoint
from molmeta.cli.app import app
from molmeta.conformity import POINTS
from molmeta.errors import CheckpointError
from molmeta.learner import Learner

from . import forgery as f

ENCODER = {"name": "fingerprint", "width": 16, "depth": 1, "dim": 8}
HEADS: dict[str, dict[str, Any]] = {"evidence": {"dim": 8}, "proto": {"dim": 8}}
ASSAY = pd.DataFrame(
    {
        "name": [f"c{i}" for i in range(8)],
        "smiles": ["CCO", "CCN", "CCC", "CCCl", "c1ccccc1", "CC(=O)O", "CCBr", "CCS"],
        "active": [1, 0, 1, 0, 1, 0, 1, 0],
    }
)
HUGE = 10**9
_KEY, _COUNT = "heads.evidence.profiles.key", "heads.evidence.profiles.count"
_HEADER = b'{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


def _encoder(**change: Any) -> f.Forge:
    return f.config(encoder=ENCODER | change)


def _entry(**change: Any) -> f.Forge:
    """A checkpoint of which the header describes one tensor otherwise."""
    return f.weights(f.header(lambda found: found["encoder.output.bias"].update(change)))


def _profiles(key: list[int], count: list[int], value: list[int]) -> f.Forge:
    def change(found: dict[str, torch.Tensor]) -> None:
        found[_KEY] = torch.tensor(key)
        found[_COUNT] = torch.tensor(count, dtype=torch.int32)
        found["heads.evidence.profiles.assay"] = torch.tensor(value, dtype=torch.int32)
        found["heads.evidence.profiles.value"] = torch.tensor(value, dtype=torch.int8)

    return f.tensors(change)


def _panels(found: dict[str, torch.Tensor]) -> None:
    found["heads.evidence.panels.key"] = torch.zeros(3, dtype=torch.long)


def _exchanged(folder: Path) -> None:
    f.flipped(folder / "weights.safetensors")


def _gone(folder: Path) -> None:
    f.zipped(folder / "model.pt")
    (folder / "weights.safetensors").unlink()


# What is wrong with a checkpoint -> how it is made, and what the message names.
CHECKPOINTS: dict[str, tuple[f.Forge, str]] = {
    "cut in the middle": (f.weights(f.cut(0.5)), "cut short"),
    "cut in the header": (f.weights(f.cut(0.0002)), "cut short"),
    "a flipped bit": (_exchanged, "its sha256 is"),
    "the sha256 of another": (f.config(sha256="0" * 64), "its sha256 is"),
    "a sha256 that is none": (f.config(sha256=None), "its sha256 is"),
    "format 2": (f.config(format=2), "has format 2, this molmeta reads up to 1; upgrade"),
    "format 10^400": (f.config(format=10**400), "upgrade molmeta"),
    "format of text": (f.config(format="1"), "its format is 1; wanted"),
    "format 0": (f.config(format=0), "its format is 0"),
    "format true": (f.config(format=True), "its format is True"),
    "no weights but a .pt": (_gone, "model.pt is a zip archive"),
    "weights are a pickle": (f.weights(f.pickled), "is a pickle, which can run code"),
    "weights are a .pt": (f.weights(f.zipped), "is a zip archive, as torch.save"),
    "weights are gzipped": (f.weights(f.written(b"\x1f\x8b\x08" + bytes(99))), "is a gzip file"),
    "weights are text": (f.weights(f.written(b"version https://git-lfs.github.com/spec/v1\n")), "is text"),
    "weights are empty": (f.weights(f.written(b"")), r"cut short \(0 bytes\)"),
    "weights are a folder": (
        f.weights(f.replaced_by(lambda path: path.mkdir()), sign=False),
        "is a folder; wanted",
    ),
    "weights are a FIFO": (f.weights(f.replaced_by(os.mkfifo), sign=False), "is a FIFO; wanted a file"),
    "weights are a link": (f.weights(f.linked), "is a link"),
    "weights are a link into the void": (
        f.weights(f.replaced_by(lambda path: path.symlink_to("nowhere")), sign=False),
        "is a link",
    ),
    "weights of 10 TB": (f.weights(f.sparse(10**13, bytes(8)), sign=False), "has 10,000,000,000,000 bytes"),
    "weights of 4 GB": (
        f.weights(f.sparse(2**32 - 1, len(_HEADER).to_bytes(8, "little") + _HEADER), sign=False),
        "longer than its tensors",
    ),
    "a header of 2^60 bytes": (
        f.weights(f.written((2**60).to_bytes(8, "little") + b"{}")),
        "header of 1,152,",
    ),
    "a header of 1,000,000 tensors": (f.weights(f.crowded(10**6)), "header of 60,000,001 bytes"),
    "a header of 17,000 tensors": (f.weights(f.crowded(17_000)), "is there twice"),
    "a header of lists": (f.weights(f.header(lambda found: b"[" * 10**6)), "nested too deeply"),
    "a header that is a list": (f.weights(f.header(lambda found: b"[]")), "its header is no object"),
    "a header without sense": (f.weights(f.header(lambda found: b"{]")), "holds no usable JSON"),
    "metadata that are a list": (
        f.weights(f.header(lambda found: found.update(__metadata__=[1]))),
        "__metadata__ is no object",
    ),
    "a type that is none": (_entry(dtype="F8"), "which none can be"),
    "a type that is a list": (_entry(dtype=["F32"]), "which none can be"),
    "a shape of 2^62": (_entry(shape=[2**31, 2**31]), "which none can be"),
    "a shape beyond any file": (_entry(shape=[2**70]), "which none can be"),
    "a shape of 10,000 axes": (_entry(shape=[2**30] * 10_000), "which none can be"),
    "a negative shape": (_entry(shape=[-8, -1]), "which none can be"),
    "offsets that are none": (_entry(data_offsets=[4]), "which none can be"),
    "offsets of another tensor": (_entry(data_offsets=[0, 32]), "overlap or leave holes"),
    "an entry with more": (_entry(code="import os"), "which none can be"),
    "an entry that is text": (
        f.weights(f.header(lambda found: found.update({"encoder.output.bias": "x"}))),
        "which none can be",
    ),
    "bytes after the tensors": (f.weights(f.header(lambda found: found, pad=8)), "longer than its tensors"),
    "a tensor too many": (f.tensors(lambda t: t.update(more=torch.zeros(1))), r"unexpected \[more\]"),
    "a tensor with a path for a name": (
        f.tensors(lambda t: t.update({"../../etc/passwd": torch.zeros(1)})),
        r"unexpected \[\.\./",
    ),
    "a tensor too few": (f.tensors(lambda t: t.pop("encoder.output.bias")), r"missing \[encoder.output.bias"),
    "another shape": (
        f.tensors(lambda t: t.update({"encoder.output.bias": torch.zeros(9)})),
        r"is \(9,\) of F32; wanted \(8,\)",
    ),
    "another type": (
        f.tensors(lambda t: t.update({"encoder.output.bias": torch.zeros(8, dtype=torch.int32)})),
        "of I32; wanted",
    ),
    "a table of floats": (f.tensors(lambda t: t.update({_KEY: torch.zeros(0)})), "of F32; wanted rows"),
    "nan": (
        f.tensors(lambda t: t.update({"encoder.output.bias": torch.full((8,), torch.nan)})),
        "is not finite",
    ),
    "inf": (
        f.tensors(lambda t: t.update({"encoder.output.bias": torch.full((8,), -torch.inf)})),
        "is not finite",
    ),
    "seen is a matrix": (
        f.tensors(lambda t: t.update(seen=torch.zeros(2, 2, dtype=torch.long))),
        "the tensor seen",
    ),
    "sketches of floats": (f.tensors(lambda t: t.update(sketches=torch.zeros(2))), "the tensor sketches"),
    "half a conformity": (
        f.tensors(lambda t: t.update({"conformity.active": torch.zeros(1, POINTS)})),
        "conformity do not fit",
    ),
    "counts that do not add up": (_profiles([1, 2], [1, 9], [0, 0]), "counts do not add up"),
    "negative counts": (_profiles([1, 2], [-1, 3], [0, 0]), "counts do not add up"),
    "more compounds than counts": (_profiles([1, 2, 3], [1, 1], [0, 0]), "3 compounds have 2 counts"),
    "compounds out of order": (_profiles([2, 1], [1, 1], [0, 0]), "out of order"),
    "negative assays": (_profiles([1, 2], [1, 1], [-1, 0]), "out of order"),
    "panels of unequal columns": (f.tensors(_panels), "columns differ in length"),
    "config is a pickle": (f.config_file(f.pickled), "no usable JSON"),
    "config is a list": (f.config_file(f.written(b"[]")), "is not the config"),
    "config without heads": (f.config_file(f.written(b'{"format": 1}')), "is not the config"),
    "config is empty": (f.config_file(f.written(b"")), "no usable JSON"),
    "config of 1 GB": (f.config_file(f.sparse(10**9, b"{")), "has 1,000,000,000 bytes"),
    "config nested 500,000 deep": (f.config_file(f.written(b"[" * 500_000)), "nested too deeply"),
    "config with NaN": (f.config_file(f.written(b'{"format": NaN}')), "found the number NaN"),
    "config with 1e999": (f.config_file(f.written(b'{"format": 1e999}')), "found the number 1e999"),
    "config with a key twice": (f.config_file(f.written(b'{"format": 1, "format": 1}')), "'format' is there"),
    "config with an integer of 100,000 digits": (
        f.config_file(f.written(b'{"format": ' + b"9" * 100_000 + b"}")),
        "no usable JSON",
    ),
    "config in UTF-16": (f.config_file(f.written('{"format": 1}'.encode("utf-16"))), "no usable JSON"),
    "config is a link": (f.config_file(f.linked), "is a link"),
    "config is a FIFO": (f.config_file(f.replaced_by(os.mkfifo)), "it is neither a folder with"),
    "info is text": (f.config(info="x"), "its info is no object"),
    "a width of 10^9": (_encoder(width=HUGE), "encoder.width = 1000000000; at most"),
    "a depth of 10^9": (_encoder(depth=HUGE), "encoder.depth = 1000000000; at most"),
    "a dim of 10^30": (_encoder(dim=10**30), "encoder.dim = 1"),
    "steps of 10^9": (f.config(heads={"maml": {"dim": 8, "steps": HUGE}}), "heads.maml.steps = 1000000000"),
    "a width of 65,536": (_encoder(width=65_536), "asks for more, or larger, tensors"),
    "a depth of 65,536": (_encoder(depth=65_536), "asks for more, or larger, tensors"),
    "a head of 65,536": (f.config(heads={"cnp": {"dim": 8, "hidden": 65_536}}), "more, or larger"),
    "a depth that fits no tensors": (_encoder(depth=2), r"missing \[encoder.hidden.4"),
    "a width of minus one": (_encoder(width=-1), "cannot build it"),
    "a width of text": (_encoder(width="16"), "cannot build it"),
    "a width of 16.5": (_encoder(width=16.5), "cannot build it"),
    "a dropout of 7": (_encoder(dropout=7), "cannot build it"),
    "10,000 fingerprints": (_encoder(fingerprints=["counts"] * 10_000), "has 10000 items in encoder.fing"),
    "a fingerprint that is none": (
        _encoder(fingerprints=["counts", "spells"]),
        r"features that there are not: \[spells\]",
    ),
    "an encoder that is a module": (_encoder(name="os.system"), "unknown encoder"),
    "an encoder with a path": (_encoder(name="../../evil"), "unknown encoder"),
    "an encoder that is a list": (f.config(encoder=["fingerprint"]), "cannot build it"),
    "an encoder without a name": (f.config(encoder={}), "cannot build it"),
    "an unknown head": (f.config(heads={"__class__": {}}), "unknown head"),
    "a head with a dot": (f.config(heads={"evidence.x": {}}), "unknown head"),
    "heads that are a list": (f.config(heads=["evidence"]), "cannot build it"),
    "no heads": (f.config(heads={}), "names no head"),
    "an argument that is none": (f.config(heads={"evidence": {"dim": 8, "exec": "x"}}), "cannot build it"),
    "last layers that are a number": (f.config(last_layers=7), "cannot build it"),
}


def _long(found: dict[str, Any]) -> None:
    found["support"]["smiles"][0] = "C" * 20_000


def _many(found: dict[str, Any]) -> None:
    for part in found["support"]:
        if part != "target":
            found["support"][part] *= 1000


def _reference(path: Path, model: str, sha256: object = "0" * 64) -> None:
    def change(found: dict[str, torch.Tensor]) -> None:
        for name in [name for name in found if name != "state"]:
            del found[name]

    f.state(lambda found: found.update(origin={"model": model, "sha256": sha256}))(path)
    f.rebuilt(path, change)


# As above, of adapted models.
BUNDLES: dict[str, tuple[f.Forge, str]] = {
    "cut in the middle": (f.cut(0.5), "cut short"),
    "a flipped bit": (f.flipped, "its sha256 does not match"),
    "a pickle": (f.pickled, "is a pickle, which can run code"),
    "a .pt": (f.zipped, "is a zip archive"),
    "a table": (f.written(b"smiles,label\nCCO,1\n"), "is text; wanted"),
    "a FIFO": (f.replaced_by(os.mkfifo), "is a FIFO; wanted a file"),
    "a folder": (f.replaced_by(lambda path: path.mkdir()), "is a folder; wanted a file"),
    "a device": (f.replaced_by(lambda path: path.symlink_to("/dev/zero")), "is a device; wanted a file"),
    "a link into the void": (f.replaced_by(lambda path: path.symlink_to("nowhere")), "cannot be read"),
    "a link to itself": (f.replaced_by(lambda path: path.symlink_to(path)), "cannot be read"),
    "format 7": (f.noted(format=7), "has format 7, this molmeta reads up to"),
    "format of text": (f.noted(format="x"), "its format is x; wanted"),
    "a sha256 that is a list": (f.noted(sha256=[]), "sha256 does not match"),
    "a header without format": (
        f.header(lambda found: found["__metadata__"].update(molmeta="{}")),
        "its header says no format",
    ),
    "a note that is no JSON": (
        f.header(lambda found: found["__metadata__"].update(molmeta="import os")),
        "no usable JSON",
    ),
    "plain tensors": (f.header(lambda found: found.pop("__metadata__") and None), "is no adapted model"),
    "no state": (f.parts(lambda t: t.pop("state")), "has no state"),
    "a state of floats": (f.parts(lambda t: t.update(state=torch.zeros(9))), "has a state of"),
    "a state of 1 GB": (f.swollen(10**9), r"has a state of \(1000000000,\) U8; wanted at most 268,435,456"),
    "a state nested 10^6 deep": (f.state(lambda found: b"[" * 10**6), "nested too deeply"),
    "a state with NaN": (f.state(lambda found: b'{"support": NaN}'), "found the number NaN"),
    "a state with a key twice": (f.state(lambda found: b'{"a": 1, "a": 2}'), "'a' is there twice"),
    "a state that is a list": (f.state(lambda found: b"[]"), "its state is no object"),
    "a state of Latin-1": (f.state(lambda found: b'{"a": "\xb5"}'), "no usable JSON"),
    "an empty state": (f.state(lambda found: b"{}"), "no[t]? .*learner|not a complete"),
    "a tensor too many": (f.parts(lambda t: t.update(more=torch.zeros(1))), "holds a tensor 'more'"),
    "a weight too many": (
        f.parts(lambda t: t.update({"learner.more": torch.zeros(1)})),
        r"unexpected \[more\]",
    ),
    "a weight too few": (
        f.parts(lambda t: t.pop("learner.encoder.output.bias")),
        r"missing \[encoder.output",
    ),
    "nan": (
        f.parts(lambda t: t["learner.encoder.output.bias"].fill_(torch.nan)),
        "is not finite",
    ),
    "a width of 10^9": (
        f.state(lambda found: found["learner"]["encoder"].update(width=HUGE)),
        "encoder.width = 1000000000",
    ),
    "a config that is a number": (f.state(lambda found: found.update(learner=7)), "not a complete molmeta"),
    "an order of other heads": (
        f.state(lambda found: found["learner"].update(order=["rf"])),
        "not a complete molmeta model",
    ),
    "heads that it has not": (f.state(lambda found: found.update(weights={"rf": 1.0})), "averages the heads"),
    "negative weights": (
        f.state(lambda found: found.update(weights={"evidence": -1.0})),
        "are no shares of 1",
    ),
    "a compound of 20,000 atoms": (f.state(_long), "which is no structure"),
    "a compound that is a query": (
        f.state(lambda found: found["support"]["smiles"].__setitem__(0, "[#6]~*")),
        "which is no structure",
    ),
    "8,000 compounds": (f.state(_many), "has 8000 labelled compounds"),
    "labels of other classes": (
        f.state(lambda found: found["support"]["values"].__setitem__(0, 0.5)),
        "labels other than 0 and 1",
    ),
    "relations that are none": (
        f.state(lambda found: found["support"]["relations"].__setitem__(0, 9)),
        "relations other than",
    ),
    "a label too few": (f.state(lambda found: found["support"]["values"].pop()), "one of everything"),
    "labels of text": (f.state(lambda found: found["support"].update(values=["x"] * 8)), "values.0: Input"),
    "a kind that is none": (
        f.state(lambda found: found["support"]["target"].update(kind="magic")),
        "not a complete molmeta model",
    ),
    "no report": (f.state(lambda found: found.pop("report") and None), "not a complete molmeta model"),
    "a reference to a checkpoint that is not there": (
        lambda path: _reference(path, "../../nowhere"),
        "needs its checkpoint",
    ),
    "a reference to another base": (lambda path: _reference(path, "base"), "install that version"),
    "a reference to a machine": (lambda path: _reference(path, "//elsewhere/share/model"), "another machine"),
    "a reference without a sha256": (
        f.state(lambda found: found.update(origin={"model": "base"})),
        "not a complete",
    ),
}

_CHILD = """
import json, resource, sys, time
import molmeta
from molmeta.checkpoint import load_checkpoint

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

loaders = {"checkpoint": load_checkpoint, "bundle": molmeta.load}
cases = json.load(sys.stdin)
for kind, path in cases["good"]:
    loaders[kind](path)
for kind, name, path in cases["forged"]:
    before, started = peak(), time.process_time()
    try:
        loaders[kind](path)
        error = ["", "", 0]
    except BaseException as found:
        error = [type(found).__name__, str(found), getattr(found, "exit_code", 1)]
    told = [kind, name, time.process_time() - started, peak() - before, *error]
    print(json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint and an adapted model that are in order."""
    folder = tmp_path_factory.mktemp("good")
    torch.manual_seed(0)
    save_checkpoint(folder / "model", Learner(ENCODER, HEADS), half=False)
    predictor = molmeta.adapt(ASSAY, folder / "model", device="cpu", verdict=False)
    predictor.save(folder / "a.molmeta")
    return folder


@pytest.fixture(scope="module")
def told(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], list[Any]]]:
    """What another process found of each forged file: seconds, megabytes, error, message, exit code."""
    folder = tmp_path_factory.mktemp("forged")
    forged = []
    for i, (name, (forge, _)) in enumerate(CHECKPOINTS.items()):
        path = folder / f"{i}"
        shutil.copytree(good / "model", path)
        forge(path)
        forged.append(["checkpoint", name, str(path)])
    for i, (name, (forge, _)) in enumerate(BUNDLES.items()):
        path = folder / f"b{i}" / "a.molmeta"
        path.parent.mkdir()
        shutil.copy(good / "a.molmeta", path)
        forge(path)
        forged.append(["bundle", name, str(path)])
    right = [["checkpoint", str(good / "model")], ["bundle", str(good / "a.molmeta")]]
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps({"good": right, "forged": forged}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {(kind, name): rest for kind, name, *rest in map(json.loads, done.stdout.splitlines())}
    assert not list(folder.rglob(f.MARK)), "a pickle was executed"
    yield found
    shutil.rmtree(folder)


def _holds(told: list[Any], message: str) -> None:
    seconds, megabytes, error, said, exit_code = told
    assert (error, exit_code) == ("CheckpointError", 3), said
    assert re.search(message, said), said
    assert "\n" not in said
    assert len(said) < 700
    assert seconds < 1
    assert megabytes < 200


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and the peak of memory are those of POSIX")
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_forged_checkpoint_is_refused(name: str, told: dict[tuple[str, str], list[Any]]) -> None:
    _holds(told["checkpoint", name], CHECKPOINTS[name][1])


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and the peak of memory are those of POSIX")
@pytest.mark.parametrize("name", BUNDLES)
def test_a_forged_model_is_refused(name: str, told: dict[tuple[str, str], list[Any]]) -> None:
    _holds(told["bundle", name], BUNDLES[name][1])


@pytest.fixture
def model(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good / "model", tmp_path / "model"))


def _atlas(change: Callable[[dict[str, torch.Tensor]], object]) -> f.Forge:
    def forge(folder: Path) -> None:
        found = load_file(folder / "atlas.safetensors")
        change(found)
        save_file(found, folder / "atlas.safetensors")
        f.edit(folder, atlas=hashlib.sha256((folder / "atlas.safetensors").read_bytes()).hexdigest())

    return forge


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda folder: f.flipped(folder / "atlas.safetensors"), "its sha256 is"),
        (lambda folder: f.linked(folder / "atlas.safetensors"), "is a link"),
        (_atlas(lambda t: t.pop("index")), "is no atlas"),
        (_atlas(lambda t: t.update(more=torch.zeros(1))), "is no atlas"),
        (_atlas(lambda t: t.update(index=torch.zeros(3))), "is no atlas"),
        (_atlas(lambda t: t.update(index=torch.zeros(3, dtype=torch.uint8))), "no usable JSON"),
        (_atlas(lambda t: t.update(outputs=t["outputs"] * torch.nan)), "no finite table"),
        (_atlas(lambda t: t.update(outputs=t["outputs"][:1].clone())), "2 names, 2 families and 1 outputs"),
    ],
)
def test_a_forged_atlas_is_refused(model: Path, forge: f.Forge, message: str) -> None:
    atlas = Atlas(("a", "b"), (("kinase",), ()), torch.ones(2, 8))
    save_checkpoint(model, load_checkpoint(model), atlas=atlas)
    assert load_atlas(model).names == ("a", "b")
    forge(model)
    with pytest.raises(CheckpointError, match=message):
        load_atlas(model)


def test_nothing_else_in_the_folder_is_read(model: Path) -> None:
    for name in ("model.pt", "pickle.pkl", "config.yaml", "setup.py", "__init__.py"):
        f.pickled(model / name)
    (model / "more").mkdir()
    assert list(load_checkpoint(model).heads) == ["evidence", "proto"]
    assert not (model / f.MARK).exists()


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_that_the_user_names_are_followed(good: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(good / "model")
    (tmp_path / "current.molmeta").symlink_to(good / "a.molmeta")
    assert load_checkpoint(tmp_path / "current").name == "current"
    assert molmeta.load(tmp_path / "current.molmeta", device="cpu").report.n == len(ASSAY)


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_shipped_model_may_be_links_to_a_cache(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f.linked(model / "weights.safetensors")
    monkeypatch.setattr(checkpoint, "shipped", lambda: {"model": model})
    assert load_checkpoint("model").default_head == "evidence"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "neither a folder with a config.json nor a shipped model"),
        ("x" * 5000, "File name too long"),
        ("a\0b", "neither a folder"),
        ("two\nlines", r"two\\nlines"),
        ("model.pt", "is a zip archive, as torch.save"),
    ],
)
def test_a_name_that_leads_to_no_model(name: str, message: str, tmp_path: Path) -> None:
    f.zipped(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path / name)


@pytest.mark.parametrize("command", ["adapt", "check", "score", "suggest", "explain", "report", "update"])
def test_commands_end_with_3(command: str, model: Path, good: Path, tmp_path: Path) -> None:
    table, bundle = tmp_path / "assay.csv", tmp_path / "a.molmeta"
    ASSAY.to_csv(table, index=False)
    f.edit(model, encoder=ENCODER | {"depth": HUGE})
    shutil.copy(good / "a.molmeta", bundle)
    f.flipped(bundle)
    of_checkpoint = [command, str(table), "--model", str(model)]
    arguments = of_checkpoint if command in ("adapt", "check") else [command, str(bundle), str(table)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    assert "damaged" in done.stderr or "encoder.depth = 1000000000" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"assay.csv", "a.molmeta", "model"}
