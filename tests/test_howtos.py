"""Every page docs/how-to/*.md does what it says.

Its blocks of sh, bash and python run in order, each in a process of its own, in one folder in which
`assays/` is as in a checkout. A block of text after one of them shows what it prints: each line must occur
in the output, whatever the number of blanks, and "..." stands for anything.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN, SHOWN = ("sh", "bash", "python"), "text"


def steps(page: str) -> Iterator[tuple[str, str, list[str]]]:
    """Language and text of each block that runs, with the lines of output that the page shows of it."""
    blocks = _BLOCK.findall(page)
    for (language, block), (following, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language in RUN:
            yield language, block, shown.splitlines() if following == SHOWN else []


def missing(shown: list[str], printed: str) -> list[str]:
    """Lines that are shown and were not printed."""
    real = [" ".join(line.split()) for line in printed.splitlines()]

    def occurs(line: str) -> bool:
        parts = [re.escape(part) for part in " ".join(line.split()).split("...")]
        return any(re.fullmatch(".*".join(parts), one) for one in real)

    return [line for line in shown if line.strip() and not occurs(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, run_block: Callable[[str, str, Path], str]) -> None:
    shutil.copytree(ROOT / "assays", tmp_path / "assays", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = list(steps(page.read_text(encoding="utf-8")))
    assert blocks, f"{page.name} has no block that runs"
    for language, block, shown in blocks:
        printed = run_block(language, block, tmp_path)
        assert not missing(shown, printed), (
            f"{missing(shown, printed)} not in the output of\n{block}\n{printed}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#]+)", prose):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_output_belongs_to_the_block_before_it() -> None:
    page = "```sh\na\n```\ntext\n```text\nx  y\nz ...\n```\n```text\nnot run\n```\n```python\nb\n```\n"
    assert list(steps(page)) == [("sh", "a\n", ["x  y", "z ..."]), ("python", "b\n", [])]
    assert missing(["x  y", "z ..."], "x y\nz 1\n") == []
    assert missing(["x y", "z ..."], "x y z\n\n") == ["x y", "z ..."]
