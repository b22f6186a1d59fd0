"""Every bash and python block of README.md runs, in order, in one folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
INSTALL = "pip install -c constraints.txt "


def test_readme_blocks(tmp_path: Path, run_block: Callable[[str, str, Path], str]) -> None:
    shutil.copytree(ROOT / "assays", tmp_path / "assays", ignore=shutil.ignore_patterns("__pycache__"))
    for language, block in BLOCKS:
        # .ci/run runs the two blocks that install, each in a fresh environment.
        command = block.split("&&", 1)[1] if block.startswith(INSTALL) else block
        if not command.strip().startswith("pytest"):
            run_block(language, command, tmp_path)
    assert (tmp_path / "bbb.molmeta").stat().st_size > 0


def test_readme_has_the_two_commands_of_ci() -> None:
    commands = [block.strip() for language, block in BLOCKS if block.startswith("pip install")]
    assert commands == [
        f"{INSTALL}'.[report]' && molmeta adapt assays/bbb.csv",
        f"{INSTALL}-e '.[dev]' && pytest -n 2 --dist worksteal",
    ]


def test_links_to_files_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert "://" in target or (ROOT / target).exists(), target
