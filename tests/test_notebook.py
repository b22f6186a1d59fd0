"""What a notebook shows: structures and numbers, all text escaped, nothing that runs or is fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest
import torch

import molmeta
from molmeta.learner import Learner
from molmeta.notebook import card
from molmeta.predictor import Predictor

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    return Learner({"name": "fingerprint", "width": 32, "depth": 1, "dim": 16}, {"evidence": {"dim": 16}})


@pytest.fixture(scope="module")
def hostile(learner: Learner) -> Predictor:
    smiles = [f"{'C' * n}{end}" for n in range(1, 9) for end in "ON"]
    values = [">1e2" if n == 0 else str(100 + 7 * n) for n in range(len(smiles))]
    names = [f"{HOSTILE}{n}" for n in range(len(smiles))]
    table = pd.DataFrame({"name": names, "smiles": smiles, '<img src=x onerror="1"> (nM)': values})
    return molmeta.adapt(table, learner, name=f'{HOSTILE}"&', verdict=False)


class Tags(HTMLParser):
    """All tags with their attributes, and whether each that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_text_of_the_user_is_text(hostile: Predictor):
    page = hostile._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;0" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;</strong>" in page
    tags = Tags(page)
    assert not tags.open
    assert {name for name, _ in tags.seen} <= {
        "div",
        "strong",
        "br",
        "svg",
        "rect",
        "path",
        "ellipse",
        "title",
    }
    for _, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "src")]
    assert not re.search(r"https?://(?!www\.w3\.org/|www\.rdkit\.org/)", page)


def test_six_compounds_from_both_ends(hostile: Predictor):
    page = hostile._repr_html_()
    assert page.count("<svg") == 6
    captions = re.findall(r"&lt;/script&gt;(\d+)<br>([^<]*)<", page)
    values = [float(text.replace("&lt; ", "").replace("&gt; ", "")) for _, text in captions]
    assert values == sorted(values, reverse=True)
    assert captions[0] == ("0", "&lt; 7")  # above 100 nM is below 7
    assert "16 compounds" in page
    assert "not compared with baselines" in page


def test_the_verdict_is_told(learner: Learner):
    table = pd.DataFrame(
        {"smiles": [f"{'C' * n}{end}" for n in range(1, 9) for end in "ON"], "y": [1, 0] * 8}
    )
    predictor = molmeta.adapt(table, learner)
    assert predictor.report.verdict is not None
    page = predictor._repr_html_()
    assert "8 active and 8 inactive" in page
    assert predictor.report.verdict.sentence[:30].replace(">", "&gt;") in page


def test_a_prior_has_nothing_to_draw():
    page = molmeta.zero_shot("kinase")._repr_html_()
    assert "<svg" not in page
    assert "nothing was measured" in page


def test_half_a_character_and_a_structure_that_cannot_be_drawn(hostile: Predictor):
    from dataclasses import replace

    broken = replace(
        hostile.support,
        ids=("\ud800", *hostile.support.ids[1:]),
        smiles=("no<b>", *hostile.support.smiles[1:]),
    )
    page = card(hostile.report, broken)
    assert page.encode("utf-8")
    assert "\\ud800" in page
    assert "<code>no&lt;b&gt;</code>" in page
