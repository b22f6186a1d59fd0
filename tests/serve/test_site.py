"""The page: what is pasted comes back as it is, with the ranking of the interface, and nothing runs."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from typing import Any

import pytest

from molmeta.serve import forms

HOSTILE = ["<script>alert(1)</script>", "[nH] & \"quotes'", "😀 αβ", "{{ 7 * 7 }}", "=1+1", "%s %(x)s"]
ACTIVES = "CCO\nCCCO propanol\nOCc1ccccc1\n"
INACTIVES = "CCC\nCCCC\tbutane\nCc1ccccc1,toluene\n"
BOXES = {"actives": ACTIVES, "inactives": INACTIVES, "name": "alcohols", "verdict": "no"}


def text_of(page: str) -> str:
    """What a reader sees, roughly."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def ranked(page: str) -> list[str]:
    """Names in the table, in order."""
    body = page[page.index('id="ranking"') : page.index('id="entry"')].split('id="rejected"')[0]
    return [
        html.unescape(one) for one in re.findall(r'<th scope="row"><span class="name">([^<]*)</span>', body)
    ]


def tables_in(page: str) -> list[str]:
    return re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"', page)


def table_of(page: str) -> list[dict[str, str]]:
    (encoded, *_) = tables_in(page)
    return list(csv.DictReader(io.StringIO(base64.b64decode(encoded).decode("utf-8-sig"), newline="")))


def test_names_are_shown_as_they_are(client: Any):
    lines = [f"{'C' * n}O {name}" for n, name in enumerate(HOSTILE, 3)] + ["C1CC " + HOSTILE[0], "CCС x"]
    sent = BOXES | {"candidates": "\n".join(lines), "name": HOSTILE[0]}
    found = client.post("/", data=sent)
    assert found.status_code == 200
    assert "<script" not in found.text
    assert sorted(ranked(found.text)) == sorted(HOSTILE)
    for name in HOSTILE:
        assert name in text_of(found.text)
    assert {one["name"] for one in table_of(found.text) if one["mm_status"] == "ok"} == set(HOSTILE)


def test_forms_of_both_encodings_give_what_the_interface_gives(client: Any):
    candidates = ["CCCCO", "CCCCC", "C1CC", "OC1CCCCC1"]
    boxes = BOXES | {"candidates": "\r\n".join(f"{one} {one}" for one in candidates)}
    pages = [client.post("/", data=boxes), client.post("/", files={k: (None, v) for k, v in boxes.items()})]
    sent = {"actives": ["CCO", "CCCO", "OCc1ccccc1"], "inactives": ["CCC", "CCCC", "Cc1ccccc1"]}
    sent |= {"candidates": candidates, "options": {"verdict": False}}
    answer = client.post("/api/v1/rank", json=sent).json()
    for page in pages:
        assert ranked(page.text) == [one["text"] for one in answer["ranked"]]
        table = table_of(page.text)
        assert [float(one["mm_probability"]) for one in table if one["rank"]] == pytest.approx(
            [one["predicted"] for one in answer["ranked"]]
        )
        assert [(one["row"], one["mm_status"]) for one in table if not one["rank"]] == [
            ("3", "invalid_smiles")
        ]
        assert "compounds to rank, line 3" in page.text
        assert page.text.count("<svg") >= 3


def test_the_verdict_stands_in_words(client: Any):
    page = client.post("/", data=BOXES | {"candidates": "CCCCO", "verdict": "yes"}).text
    assert re.search(
        r"(Worth using|Use with care|Do not rely on it|Not known yet)\.\s+(The model|There)", text_of(page)
    )
    assert "Not compared" in client.post("/", data=BOXES | {"candidates": "CCCCO"}).text


def test_examples_are_ranked_as_they_are_filled_in(client: Any):
    for path in ("/", "/values", "/models/logp"):
        page = client.get(f"{path}?example=1").text
        boxes = dict(re.findall(r'<textarea id="(\w+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL))
        boxes = {name: html.unescape(text) for name, text in boxes.items()}
        boxes |= dict(re.findall(r'<input type="text" id="\w+" name="(\w+)" value="([^"]*)"', page))
        assert all(boxes[name].strip() for name in boxes if name not in ("prevalence",)), path
        found = client.post(path, data=boxes | {"verdict": "no"})
        assert found.status_code == 200, text_of(found.text)
        candidates = boxes["candidates"].splitlines()
        assert sorted(ranked(found.text)) == sorted(line.split(" ", 1)[1] for line in candidates)
        assert "could not be used" not in found.text


def test_values_have_units_and_a_direction(client: Any):
    compounds = "CCO 1200\nCCCO 800 nM propanol\nOCc1ccccc1 >10000\nCCC 5\nCCCC butane 3\nCc1ccccc1 2\n"
    sent = {"compounds": compounds, "candidates": "CCCCO\nCCCCC", "measured": "Ki", "unit": "nM"}
    potent = client.post("/values", data=sent | {"verdict": "no"}).text
    weak = client.post("/values", data=sent | {"verdict": "no", "better": "lower"}).text
    assert ranked(potent) == ["line 2", "line 1"]
    assert ranked(weak) == ["line 1", "line 2"]
    assert "p(Ki)" in potent


@pytest.mark.parametrize(
    ("path", "change", "status", "said"),
    [
        ("/", {"actives": " \n"}, 422, "box of actives is empty"),
        ("/", {"candidates": ""}, 422, "box of compounds to rank is empty"),
        ("/", {"inactives": "C1CC"}, 422, "0 inactives"),
        ("/", {"candidates": "C\n" * 61}, 422, "61 compounds to rank"),
        ("/", {"prevalence": "none"}, 422, "expected share of actives"),
        ("/values", {"compounds": "CCO\nCCC"}, 422, "0 labelled compounds"),
        ("/values", {"compounds": ""}, 422, "box of measured compounds is empty"),
        ("/models/logp", {"candidates": ""}, 422, "box of compounds to rank is empty"),
    ],
)
def test_problems_come_with_the_form_as_it_was(client: Any, path: str, change: dict, status: int, said: str):
    sent = BOXES | {"compounds": "CCO 1\nCCC 2\nCCCC 3", "candidates": "CCCCO kept"} | change
    found = client.post(path, data=sent)
    assert found.status_code == status
    assert said in text_of(found.text)
    assert 'role="alert"' in found.text
    assert change.get("candidates", "CCCCO kept")[:20].strip() in found.text


def test_half_a_character_is_no_bug(client: Any):
    sent = BOXES | {"candidates": "CCCCO x"}
    body = "&".join(f"{k}={v}" for k, v in sent.items()).replace("\n", "%0A").replace("x", "%ED%A0%80")
    found = client.post("/", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert found.status_code == 200


def test_files_and_floods_of_fields_are_refused(client: Any):
    flood = {f"f{i}": (None, "x") for i in range(100)}
    for files in ({"actives": ("a.smi", b"CCO")}, flood):
        found = client.post("/", files=files)
        assert found.status_code == 400
        assert found.headers["content-type"] == "application/problem+json"
    assert client.post("/", data=BOXES | {"candidates": "C" * 70_000}).status_code == 413


def test_no_page_holds_a_script_or_asks_for_anything_elsewhere(client: Any):
    pages = ("/", "/values", "/api", "/models/logp", "/models/a_b_script_alert_x_script", "/?example=1")
    for path in pages:
        found = client.get(path)
        assert found.status_code == 200
        assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:", found.text), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', found.text), path
        assert "script-src" not in found.headers["content-security-policy"]
        assert '<html lang="en">' in found.text
        assert len(re.findall("<h1", found.text)) == 1
    assert client.get("/style.css").headers["content-type"].startswith("text/css")


def test_the_log_holds_nothing_that_was_pasted(served: Any):
    served.client.post("/", data=BOXES | {"candidates": "CCCCCCCCO secret"})
    served.client.get("/models/CCCCCCCCO?q=secret")
    log = "\n".join(served.log)
    assert "POST / 200" in log
    assert "CCCCCCCCO" not in log
    assert "secret" not in log


def test_more_lines_than_can_be_rows_are_not_read(client: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forms, "lines_of", lambda *_: pytest.fail("they were read"))
    for end in ("\n", "\r"):
        found = client.post("/", data=BOXES | {"candidates": f"C{end}" * 500})
        assert found.status_code == 413
        assert "lines" in text_of(found.text)
