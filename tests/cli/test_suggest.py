from __future__ import annotations

import csv
import inspect
import io

import pytest


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def library(tmp_path):
    """Seven compounds with prices, of which one was measured, one is a copy, and one cannot be read."""
    rows = [
        "OCCCc1cc[nH]c1,one,3",
        "CCCCCCO,two,1",
        "C(O)CCCCC,copy,2",
        "C1CC,bad,1",
        "OCCO,four,",
        "CCO,known,1",
    ]
    path = tmp_path / "library.csv"
    path.write_text("\n".join(["smiles,name,price", *rows, "CCCCC(C)C,seven,2"]) + "\n")
    return path


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_says_what_to_measure_and_why(run, model, library, tmp_path):
    done = run("suggest", model, library, "-n", 4, "--workers", 0)
    assert done.code == 0
    assert "7 rows read: 1 measured, 1 invalid_smiles" in done.out
    assert "To measure next" in done.out
    assert "OCCCc1cc[nH]c1" in done.out
    table = rows((tmp_path / "library.alcohols.next.csv").read_text())
    assert [row["mm_pick"] for row in table] == ["1", "2", "3", "4"]
    assert all(row["mm_why"].startswith("probability") for row in table)
    assert not {"bad", "known"} & {row["name"] for row in table}


def test_everything_that_there_is(run, model, library):
    done = run("suggest", model, library, "-n", 20, "--workers", 0, "-o", "-")
    assert done.code == 0
    assert len({row["mm_smiles"] for row in rows(done.out)}) == len(rows(done.out)) == 4
    done = run("suggest", model, library, "-n", 20, "--workers", 0)
    assert "Fewer than 20" in done.out


def test_prices_a_budget_and_exclusions(run, model, library, tmp_path):
    (tmp_path / "no.smi").write_text("C(CCC(C)C)C\n")
    more = ("--cost", "price", "--budget", 4, "--exclude", "no.smi", "--workers", 0)
    done = run("suggest", model, library, *more, "--json")
    assert done.code == 0
    assert {row["name"] for row in done.json["picks"]} == {"one", "two"}
    assert done.json["cost"] == 4.0
    assert done.json["left_out"] == {"measured": 1, "excluded": 1, "no_price": 1}
    assert done.json["rejected"] == {"invalid_smiles": 1}
    assert done.json["read"] == 7
    assert (tmp_path / done.json["path"]).exists()
    assert "They cost 4 together" in run("suggest", model, library, *more, "--force").out


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--acquisition", "entropy"), 2, "there are greedy"),
        (("--cost", "euros", "--acquisition", "ei"), 2, "no column 'euros'"),
        (("--budget", "3"), 2, "needs the prices"),
        (("--exclude", "nothing.csv"), 3, "nothing.csv"),
        (("-n", "0"), 2, ""),
        (("--json", "-o", "-"), 2, "both write to stdout"),
        (("-o", "there.csv"), 5, "there.csv exists"),
        (("-o", "next.docx"), 2, "cannot write"),
        (("--available", "name", "--exclude", "library.csv"), 3, "can be suggested"),
    ],
)
def test_what_does_not_go_has_an_exit_code(run, model, library, tmp_path, more, code, said):
    (tmp_path / "there.csv").write_text("mine\n")
    done = run("suggest", model, library, "--workers", 0, *more)
    assert done.code == code
    assert said in done.err
    assert (tmp_path / "there.csv").read_text() == "mine\n"
    assert not list(tmp_path.glob("library.alcohols.next*"))


def test_nothing_is_overwritten(run, model, library):
    assert run("suggest", model, library, "--workers", 0).code == 0
    assert run("suggest", model, library, "--workers", 0).code == 5
    assert run("suggest", model, library, "--workers", 0, "--force").code == 0


def test_the_limit_is_that_of_the_library():
    from molmeta.cli.suggest import suggest
    from molmeta.suggest.run import ALIKE

    assert inspect.signature(suggest).parameters["alike"].default == ALIKE
