from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import molmeta
from molmeta.data.table import read_assay
from molmeta.errors import InputError, NotEnoughData, RefusedError
from molmeta.predictor import Predictor
from molmeta.report import plots, words
from molmeta.report.compounds import ranked_cards
from molmeta.report.ranking import rank
from molmeta.report.run import write_report
from molmeta.verdict import Verdict

ROOT = Path(__file__).parents[2]
ASSAYS = ROOT / "assays"
LIBRARY = ASSAYS / "drugs.smi"
HOSTILE = ROOT / "tests" / "hostile" / "names.csv"


@pytest.fixture(scope="module")
def classes() -> Predictor:
    return molmeta.adapt(ASSAYS / "bbb.csv", "fast", device="cpu")


@pytest.fixture(scope="module")
def values() -> Predictor:
    return molmeta.adapt(ASSAYS / "cox.csv", "fast", device="cpu")


class Reader(HTMLParser):
    """Tags, addresses and the words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.alternatives: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "action", "srcset", "data"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "alt":
                self.alternatives.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_report_is_one_file_that_asks_for_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    content = write_report(request.getfixturevalue(kind), tmp_path / "r.html", LIBRARY, most=5)
    page = (tmp_path / "r.html").read_text("utf-8")
    read = Reader(page)
    assert "default-src 'none'" in page
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(read.tags)
    assert not read.handlers
    assert all(one.startswith(("#", "data:image/svg+xml;base64,")) for one in read.addresses)
    assert len(read.ids) == len(set(read.ids))
    assert {one.removeprefix("#") for one in read.addresses if one.startswith("#")} <= set(read.ids)
    assert read.alternatives
    assert all(read.alternatives)
    assert read.tags.count("h1") == 1
    assert content.headline in read.text
    assert content.report.verdict is not None
    assert content.report.verdict.sentence in read.text
    assert content.library is not None
    for card in [*content.labelled, *content.library.cards]:
        assert " ".join(card.name.split()) in read.text
        assert card.picture.startswith("<svg")


def test_plots_are_pictures_of_their_own(values: Predictor, tmp_path: Path) -> None:
    content = write_report(values, tmp_path / "r.html")
    assert content.curve is not None
    for picture in [*content.pictures, content.curve]:
        drawn = base64.b64decode(picture.source.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert content.library is None


def test_the_same_model_gives_the_same_report(classes: Predictor, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(classes, tmp_path / f"{name}.html", LIBRARY, most=3)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_model_from_disk_gives_the_report_of_the_model(classes: Predictor, tmp_path: Path) -> None:
    classes.save(tmp_path / "m.molmeta")
    again = molmeta.load(tmp_path / "m.molmeta", device="cpu")
    for name, one in (("a", classes), ("b", again)):
        write_report(one, tmp_path / f"{name}.html")
    assert (tmp_path / "a.html").read_text("utf-8") == (tmp_path / "b.html").read_text("utf-8")


def test_the_ranking_is_that_of_predict(classes: Predictor) -> None:
    smiles = [line.split("\t")[0] for line in LIBRARY.read_text().splitlines()]
    expected = classes.predict(smiles)
    new = expected[~expected["mm_smiles"].isin(classes.places)].drop_duplicates("mm_smiles")
    best = new.sort_values("mm_score", ascending=False, kind="stable").head(7)
    found = rank(classes, LIBRARY, "drugs.smi", 7)
    assert found.best["mm_smiles"].tolist() == best["mm_smiles"].tolist()
    assert found.rows == len(smiles)
    assert found.measured == int(expected["mm_smiles"].isin(classes.places).sum())
    assert found.inside == int(new["mm_in_domain"].sum())
    assert found.similarity.sum() == found.rows - found.measured


def test_rows_that_cannot_be_read_are_counted(classes: Predictor, tmp_path: Path) -> None:
    (tmp_path / "lib.csv").write_text("smiles,name\nCCO,ethanol\nnonsense(,bad\nCCN,amine\n")
    content = write_report(classes, tmp_path / "r.html", tmp_path / "lib.csv")
    assert content.library is not None
    assert "3 rows; 1 could not be read" in content.library.extent
    assert {card.name.split(". ")[1] for card in content.library.cards} == {"ethanol", "amine"}


def test_nothing_is_overwritten_and_no_library_leaves_no_report(classes: Predictor, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    out.write_text("mine")
    with pytest.raises(RefusedError, match="exists"):
        write_report(classes, out)
    with pytest.raises(InputError):
        write_report(classes, tmp_path / "s.html", tmp_path / "missing.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert out.read_text() == "mine"
    write_report(classes, out, force=True)
    assert out.read_text("utf-8").startswith("<!doctype html>")


def test_a_prior_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData, match="prior"):
        write_report(molmeta.zero_shot("kinase", "fast", device="cpu"), tmp_path / "r.html")


def test_a_model_of_an_earlier_molmeta_has_a_shorter_report(classes: Predictor, tmp_path: Path) -> None:
    report = replace(classes.report, verdict=None, doubts=None, relatives=(), held_out=None)
    content = write_report(replace(classes, report=report, recipe=None), tmp_path / "r.html")
    assert (content.pictures, content.curve, content.comparison) == ([], None, None)
    assert content.diagnosis is None
    assert "without a comparison" in (tmp_path / "r.html").read_text("utf-8")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    assay = replace(molmeta.read_assay(HOSTILE), name="<b>assay</b>")
    write_report(molmeta.adapt(assay, "fast", device="cpu"), tmp_path / "r.html", HOSTILE)
    page = (tmp_path / "r.html").read_text("utf-8")
    read = Reader(page)
    assert not {"script", "b"} & set(read.tags)
    assert read.tags.count("img") == len(read.alternatives)
    for name in pd.read_csv(HOSTILE)["name"]:
        assert name in read.text
    assert "<b>assay</b>" in read.text


@pytest.mark.parametrize(
    ("level", "knn", "rf", "said"),
    [
        ("useful", 0.1, 0.1, "better than their nearest neighbours and a random forest do."),
        ("like_baseline", 0.05, 0.10, "not surely better than kNN,"),
        ("like_baseline", 0.10, 0.05, "not surely better than a random forest,"),
        ("like_baseline", 0.10, -0.10, "worse than a random forest,"),
        ("useless", 0.0, 0.0, "no better than guessing does."),
        ("unknown", 0.0, 0.0, "too few compounds"),
    ],
)
def test_every_level_has_its_words(values: Predictor, level: str, knn: float, rf: float, said: str) -> None:
    assert values.report.verdict is not None
    differences = {"knn": (knn, 0.03), "rf": (rf, 0.03), "guessing": (0.3, 0.03)}
    verdict = replace(values.report.verdict, level=level, differences=differences)
    assert said in words.headline(verdict)
    assert words.TONES[verdict.level][1]


def test_a_share_of_none_or_all_keeps_an_interval_that_holds_it() -> None:
    assert plots._wilson(0, 10)[0] == 0.0
    low, high = plots._wilson(10, 10)
    assert low < 1.0 == high
    low, high = plots._wilson(3, 10)
    assert low < 0.3 < high


def test_few_compounds_make_few_groups() -> None:
    y = np.array([0.0, 1.0, 1.0])
    assert plots.reliability(y, np.array([0.2, 0.6, 0.9])).startswith("data:image/svg+xml;base64,")


def test_no_id_of_a_user_is_an_address(classes: Predictor, tmp_path: Path) -> None:
    write_report(classes, tmp_path / "r.html")
    assert not re.search(r"https?://(?!www\.w3\.org)", (tmp_path / "r.html").read_text("utf-8"))


def few(**columns: list[object]) -> Predictor:
    smiles = ["CCO", "CCN", "CCC", "CCCl", "c1ccccc1O", "CC(=O)O", "CCCCN", "CCOC", "c1ccncc1", "CCBr", "CCI"]
    cells = zip(smiles, *columns.values(), strict=True)
    rows = [dict(zip(["smiles", *columns], row, strict=True)) for row in cells]
    source = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    assay = read_assay(source, label_column=list(columns)[-1])
    return molmeta.adapt(assay, "fast", device="cpu", verdict=False)


def test_the_nearest_compound_is_found_by_its_structure_where_several_have_one_name():
    values: list[object] = [float(i) for i in range(11)]
    predictor = few(id=[*["batch"] * 4, *map(str, range(7))], logD=values)
    ranking = rank(
        predictor, pd.DataFrame({"smiles": ["CCO.Cl.[Na]", "CCCO", "CCCN", "CCCCl"]}), "library", 4
    )
    cards = ranked_cards(predictor, ranking.best, ["x"] * len(ranking.best))
    labels = [one.nearest.lines[0] for one in cards if one.nearest]
    assert labels == [f"measured: {value:.3g}" for value in ranking.best["mm_nearest_label"]]


@pytest.mark.parametrize("column", ["$\\bad{ y$", "logD \ud800", "cost ($) or price ($)"])
def test_a_column_may_be_called_anything(column: str, tmp_path: Path):
    out = tmp_path / "r.html"
    write_report(few(**{column: [float(i) for i in range(11)]}), out)
    assert out.read_text("utf-8")


def test_half_a_character_in_a_name_is_shown_as_its_escape(tmp_path: Path):
    predictor = few(id=[f"n\ud800{i}" for i in range(11)], logD=[float(i) for i in range(11)])
    assert predictor.predict(["CCCO"])["mm_nearest"][0].startswith("n\\ud800")
    out = tmp_path / "r.html"
    write_report(predictor, out)
    assert "n\\ud8000" in out.read_text("utf-8")


def test_small_numbers_are_no_zeros():
    predictor = few(**{"Papp (cm/s)": [i * 1e-6 for i in range(1, 12)]})
    assert words.facts(predictor.report)[1].value == "0.000001 to 0.000011"


def test_the_headline_does_not_deny_what_the_verdict_says():
    differences = {"knn": (0.1, 0.01), "rf": (0.2, 0.15), "guessing": (0.5, 0.05)}
    verdict = Verdict("like_baseline", "", "R²", differences=differences)
    assert "not surely better than a random forest" in words.headline(verdict)
