"""A headless Chromium for pages. Where there is none tests are skipped; with REQUIRE_BROWSER=1 they fail.

`SCREENSHOTS=docs pytest tests/browser` makes the pictures of pages that docs/ shows, at both widths.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

WIDTHS = {"desktop": 1280, "phone": 390}
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class View:
    """A page in the browser, with all that its console said."""

    page: Any
    said: list[str] = field(default_factory=list)

    def open(self, address: str | Path) -> None:
        self.page.goto(address.as_uri() if isinstance(address, Path) else address)
        # Pictures are decoded when somebody looks at them.
        self.page.evaluate("Promise.all([...document.images].map(image => image.decode().catch(() => {})))")

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def keep(self, name: str, height: int) -> None:
        """The upper part of the page as NAME-WIDTH.png in the folder SCREENSHOTS, if there is one."""
        if folder := os.environ.get("SCREENSHOTS"):
            width = self.page.viewport_size["width"]
            clip = {"x": 0, "y": 0, "width": width, "height": height}
            file = Path(folder) / f"{name}-{width}.png"
            self.page.screenshot(path=file, clip=clip, full_page=True)
            with Image.open(file) as picture:  # of so few colours that a third of the bytes will do
                picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(file, optimize=True)

    def violations(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    def broken_pictures(self) -> list[str]:
        return list(
            self.page.evaluate(
                "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src)"
            )
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # No longer than a module: while it is open an event loop runs in this thread, and others want one.
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, and there is no Chromium on the path")
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=list(WIDTHS))
def view(browser: Any, request: pytest.FixtureRequest) -> Iterator[View]:
    """A window as wide as a desktop, then as a phone."""
    # The checks of axe-core come in from outside, which the policy of our pages would forbid.
    context = browser.new_context(viewport={"width": WIDTHS[request.param], "height": 900}, bypass_csp=False)
    page = context.new_page()
    found = View(page)
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    yield found
    context.close()
