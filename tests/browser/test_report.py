"""Reports in a browser, on a desktop and on a phone: they render, are accessible, show names as they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import molmeta
from molmeta.report.run import write_report

ROOT = Path(__file__).parents[2]
ASSAYS = ROOT / "assays"
HOSTILE = ROOT / "tests" / "hostile" / "names.csv"


@pytest.fixture(scope="module", params=["bbb", "cox", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    source, library = ASSAYS / f"{request.param}.csv", ASSAYS / "drugs.smi"
    if request.param == "hostile":
        source = library = HOSTILE
    file = folder / f"{request.param}.html"
    write_report(molmeta.adapt(source, "fast", device="cpu"), file, library, most=8)
    return file


def test_it_renders(report: Path, view) -> None:
    view.open(report)
    assert view.page.title().startswith("names" if report.stem == "hostile" else report.stem)
    assert view.overflow <= 0
    assert not view.broken_pictures()
    assert view.page.locator("figure img").count() >= 3
    assert view.page.locator(".card svg").count() >= 8
    assert not view.said
    if report.stem == "bbb":
        view.keep("report", height=1500)


def test_it_is_accessible(report: Path, view) -> None:
    view.open(report)
    assert not view.violations()


@pytest.mark.parametrize("report", ["hostile"], indirect=True)
def test_hostile_names_are_shown_as_they_are(report: Path, view) -> None:
    dialogs: list[str] = []
    view.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    view.open(report)
    shown = view.page.locator("body").inner_text()
    for name in pd.read_csv(HOSTILE)["name"]:
        assert name in shown
    assert not dialogs
    assert not view.said


def test_the_keyboard_reaches_the_content(report: Path, view) -> None:
    view.open(report)
    view.page.keyboard.press("Tab")
    assert view.page.evaluate("document.activeElement.textContent") == "To the content"
    view.page.keyboard.press("Enter")
    assert view.page.url.endswith("#main")


def test_it_prints(report: Path, view) -> None:
    view.open(report)
    view.page.emulate_media(media="print")
    assert view.overflow <= 0
    assert not view.page.locator("nav").is_visible()
    assert view.page.locator(".verdict").is_visible()
