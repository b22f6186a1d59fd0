from __future__ import annotations

import io
import shutil
from xml.etree import ElementTree

import pandas as pd
from PIL import Image
from rdkit import Chem

from molmeta import assays
from molmeta.checkpoint import find_checkpoint, load_atlas, load_checkpoint, save_checkpoint


def test_says_what_a_model_rests_on(run, tmp_path):
    model = tmp_path / "bbb.molmeta"
    assert run("adapt", assays.path("bbb"), "--no-verdict", "-o", model).code == 0
    done = run("explain", model, "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1", "-n", 3)
    assert done.code == 0
    for text in ("carry its prediction", "influence", "Training assays that order the", "CHEMBL"):
        assert text in done.out
    found = run("explain", model, "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1", "-n", 3, "--json").json
    assert [len(found[name]) for name in ("carriers", "relatives")] == [3, 3]


def test_the_atlas_is_that_of_the_folder_the_model_came_from(run, tmp_path):
    folder, model = tmp_path / "mine", tmp_path / "bbb.molmeta"
    shutil.copytree(find_checkpoint("fast"), folder)
    assert run("adapt", assays.path("bbb"), "--no-verdict", "--model", folder, "-o", model).code == 0
    assert len(run("explain", model, "--json").json["relatives"]) == 5
    atlas = load_atlas(folder)
    save_checkpoint(folder, load_checkpoint("base"), atlas=atlas)
    found = run("explain", model, "--json").json
    assert found["relatives"] == []
    assert "is not the one that" in found["note"]


def test_a_prior_has_no_labelled_compounds(run, tmp_path):
    model = tmp_path / "kinase.molmeta"
    assert run("adapt", "--zero-shot", "--target-family", "kinase", "-o", model).code == 0
    assert "No training assays to compare with" in run("explain", model).out
    done = run("explain", model, "Nc1ncnc2[nH]ccc12")
    assert done.code == 0
    assert "pyrrolopyrimidine" in done.out
    assert "is a prior: no labelled compound carries its predictions" in done.out
    found = run("explain", model, "Nc1ncnc2[nH]ccc12", "-o", tmp_path / "prior.png", "--json").json
    assert found["carriers"] == []
    assert found["atoms"][0]["mm_in_domain"] is None


def parsed(path):
    return ElementTree.fromstring(path.read_bytes())


def test_atoms_in_words_numbers_and_pictures(run, tmp_path):
    model, picture = tmp_path / "bbb.molmeta", tmp_path / "one.svg"
    assert run("adapt", assays.path("bbb"), "--no-verdict", "--model", "fast", "-o", model).code == 0
    salt = "[Na+].[O-]C(=O)Cc1ccccc1Nc1c(Cl)cccc1Cl"
    done = run("explain", model, salt, "-o", picture)
    assert done.code == 0
    for text in ("carboxylic acid", "next to", "log-odds of being active", "nearest: ", "Wrote "):
        assert text in done.out
    drawn = parsed(picture)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}ellipse"))) > 5
    assert "lowers" in "".join(drawn.itertext())
    (one,) = run("explain", model, salt, "--json").json["atoms"]
    n = Chem.MolFromSmiles(one["mm_smiles"]).GetNumAtoms()
    assert len(one["contributions"]) == len(one["input_atoms"]) == n
    elements = [
        [mol.GetAtomWithIdx(i).GetSymbol() for i in order]
        for mol, order in (
            (Chem.MolFromSmiles(one["mm_smiles"]), range(n)),
            (Chem.MolFromSmiles(salt), one["input_atoms"]),
        )
    ]
    assert elements[0] == elements[1]
    assert sorted(atom for group in one["groups"] for atom in group["atoms"]) == list(range(n))
    total = sum(group["contribution"] for group in one["groups"])
    assert abs(total - sum(one["contributions"])) < 1e-8  # of digits that are rounded
    acid = next(group for group in one["groups"] if group["group"] == "carboxylic acid")
    assert acid["contribution"] < 0  # acids do not reach the brain


def test_a_table_of_compounds_is_one_sheet(run, model, tmp_path):
    hostile = '"<script>alert(1)</script>&\nnext'
    library = tmp_path / "library.csv"
    rows = [
        ("a", "OCCc1ccccc1"),
        (hostile, "CCCCCCO"),
        ("c", "C1CC"),
        ("d", "[nH]1cccc1CCO" + "C" * 320),
        ("e", "CCO"),
    ]
    pd.DataFrame(rows, columns=["id", "smiles"]).to_csv(library, index=False)
    for name in ("sheet.svg", "sheet.png"):
        done = run("explain", model, library, "--limit", 4, "-o", tmp_path / name)
        assert done.code == 0
        assert "c cannot be explained: invalid_smiles; unclosed ring" in done.out
        assert "more rows than the first 4" in done.out
        assert "3 compounds" in done.out
    text = (tmp_path / "sheet.svg").read_text()
    assert "<script" not in text
    assert hostile.replace("\n", " ") in "".join(parsed(tmp_path / "sheet.svg").itertext())
    picture = Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes()))
    assert picture.size == tuple(
        2 * int(parsed(tmp_path / "sheet.svg").attrib[side]) for side in ("width", "height")
    )
    found = run("explain", model, library, "--json").json
    assert [one["name"] for one in found["atoms"]] == ["a", hostile, "d", "e"]
    assert found["rejected"] == [{"name": "c", "reason": "invalid_smiles", "detail": "unclosed ring"}]


def test_values_have_their_unit(run, tmp_path):
    model = tmp_path / "logp.molmeta"
    assert run("adapt", assays.path("logp"), "--no-verdict", "--model", "fast", "-o", model).code == 0
    done = run("explain", model, "CCCCCCO", "C" * 200)
    assert "logP" in done.out
    assert "contribution: to the predicted logP" in done.out


def test_pictures_are_refused_before_anything_is_done(run, model, tmp_path):
    there = tmp_path / "there.svg"
    there.write_text("mine")
    assert run("explain", model, "CCO", "-o", there).code == 5
    assert there.read_text() == "mine"
    assert run("explain", model, "CCO", "-o", there, "--force").code == 0
    assert run("explain", model, "CCO", "-o", tmp_path / "x.pdf").code == 2
    assert run("explain", model, "-o", tmp_path / "x.svg").code == 2
    assert run("explain", model, *["CCO"] * 101, "-o", tmp_path / "x.svg").code == 2
    assert run("explain", model, "no-file.csv").code == 3
    done = run("explain", model, "C1CC", "-o", tmp_path / "x.svg")
    assert done.code == 3
    assert "'C1CC' cannot be explained: invalid_smiles" in done.err
    assert not (tmp_path / "x.svg").exists()
