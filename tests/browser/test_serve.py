"""The page of the service in a browser: what people see and do, on a desk and on a phone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import molmeta
from molmeta import assays


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that offers a model."""
    file = tmp_path_factory.mktemp("served") / "logp.molmeta"
    molmeta.adapt(assays.path("logp"), "fast", verdict=False, device="cpu").save(file)
    command = [sys.executable, "-m", "molmeta.cli", "serve", str(file), "--model", "fast", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--json", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["address"]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def check(view: Any) -> None:
    """Nothing is wider than the window, nothing failed, and nobody is shut out."""
    assert view.overflow <= 0
    assert not view.said
    assert not view.violations()


@pytest.mark.parametrize("path", ["/", "/values", "/models/logp", "/api"])
def test_pages_are_whole(view: Any, address: str, path: str):
    assert view.page.goto(address + path).status == 200
    check(view)


def test_an_example_is_ranked_by_clicks_alone(view: Any, address: str, tmp_path: Path):
    page = view.page
    page.goto(address)
    page.get_by_role("link", name="Fill in an example").click()
    box = page.get_by_label("Compounds to rank")
    hostile = '<img src=x onerror="alert(1)">'
    box.fill(f"{box.input_value()}\nc1cc[nH]c1 {hostile}\nC1CC half a ring")
    page.get_by_label("Compare with simple methods").select_option("no")
    page.get_by_role("button", name="Rank").click()
    page.get_by_role("heading", name="compounds, the best first").wait_for()
    check(view)
    assert page.get_by_text(hostile, exact=True).is_visible()
    assert page.get_by_text("not a SMILES").is_visible()
    rows = page.locator("table.ranked tbody tr")
    pictures = page.locator("table.ranked td.picture svg")
    assert pictures.count() == rows.count() > 20
    # A policy that forbids styles would leave black blobs, or nothing.
    assert pictures.first.locator("path").count() > 3
    assert pictures.first.locator("path").first.evaluate("e => getComputedStyle(e).stroke") != "none"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "ranked.csv")
    with (tmp_path / "ranked.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    names = [one.strip() for one in page.locator("table.ranked tbody th .name").all_inner_texts()]
    assert [one["name"] for one in table if one["mm_status"] == "ok"] == names
    assert [one["name"] for one in table if one["mm_status"] != "ok"] == ["half a ring"]


def test_an_example_comes_with_a_verdict(view: Any, address: str):
    view.page.goto(address)
    view.page.get_by_role("link", name="Fill in an example").click()
    view.page.get_by_role("button", name="Rank").click()
    view.page.get_by_role("heading", name="compounds, the best first").wait_for()
    check(view)
    assert "Tested on the labelled compounds: " in view.page.locator(".verdict").inner_text()
    view.keep("serve", height=1300)


def test_a_form_is_filled_in_and_sent_by_keyboard(view: Any, address: str):
    page = view.page
    page.goto(f"{address}/values")
    page.get_by_label("Measured compounds").focus()
    page.keyboard.insert_text("CCO 1.2 ethanol\nCCCO 1.5\nCCCCO 2\nCCC 5\nCCCC 5.5\nCCCCC 6\nCc1ccccc1 7")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("CCCCCO hexanol\nCCCCCC")
    page.get_by_text("Options").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Compare with simple methods").select_option("no")
    page.get_by_role("button", name="Rank").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="2 compounds, the best first").wait_for()
    check(view)
    assert page.get_by_text("Not compared").is_visible()


def test_problems_are_told_and_nothing_is_lost(view: Any, address: str):
    page = view.page
    page.goto(address)
    for label, text in (("Actives", "C1CC"), ("Inactives", "CCC kept"), ("Compounds to rank", "CO")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Rank").click()
    assert "1 labelled compound of 2 rows" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Inactives", exact=True).input_value() == "CCC kept"
    view.said[:] = [one for one in view.said if "422" not in one]
    check(view)
