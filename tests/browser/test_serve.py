"""The page of the service in a browser: what people see and do, on a desk and on a phone."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import molmeta
from molmeta import assays

WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; without one, tests are skipped, or fail where REQUIRE_BROWSER=1."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("no program chromium on the path, and REQUIRE_BROWSER=1")
        pytest.skip("no program chromium on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


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
    yield json.loads(process.stdout.readline())["address"]
    process.terminate()
    process.communicate(timeout=20)


@dataclass(frozen=True)
class Seen:
    """A page, and what the browser complained of."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing is wider than the window, nothing failed, and nobody is shut out."""
        from axe_playwright_python.sync_playwright import Axe

        assert self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert not self.complaints
        found = Axe().run(self.page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not grave, [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in grave]


@pytest.fixture(params=WIDTHS)
def seen(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Seen]:
    context = chromium.new_context(viewport={"width": request.param, "height": 844}, accept_downloads=True)
    page = context.new_page()
    one = Seen(page)
    page.on("console", lambda message: one.complaints.append(message.text))
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("requestfailed", lambda request: one.complaints.append(f"{request.url} failed"))
    yield one
    context.close()


@pytest.mark.parametrize("path", ["/", "/values", "/models/logp", "/api"])
def test_pages_are_whole(seen: Seen, address: str, path: str):
    assert seen.page.goto(address + path).status == 200
    seen.check()


def test_an_example_is_ranked_by_clicks_alone(seen: Seen, address: str, tmp_path: Path):
    page = seen.page
    page.goto(address)
    page.get_by_role("link", name="Fill in an example").click()
    box = page.get_by_label("Compounds to rank")
    hostile = '<img src=x onerror="alert(1)">'
    box.fill(f"{box.input_value()}\nc1cc[nH]c1 {hostile}\nC1CC half a ring")
    page.get_by_role("button", name="Rank").click()
    page.get_by_role("heading", name="compounds, the best first").wait_for()
    seen.check()
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


def test_a_form_is_filled_in_and_sent_by_keyboard(seen: Seen, address: str):
    page = seen.page
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
    seen.check()
    assert page.get_by_text("Not compared").is_visible()


def test_problems_are_told_and_nothing_is_lost(seen: Seen, address: str):
    page = seen.page
    page.goto(address)
    for label, text in (("Actives", "C1CC"), ("Inactives", "CCC kept"), ("Compounds to rank", "CO")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Rank").click()
    assert "1 labelled compound of 2 rows" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Inactives", exact=True).input_value() == "CCC kept"
    seen.complaints[:] = [one for one in seen.complaints if "422" not in one]
    seen.check()
