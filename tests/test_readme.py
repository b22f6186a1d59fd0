"""Every bash and python block of README.md runs, in order, in one folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
INSTALL = "pip install -c constraints.txt "


def test_readme_blocks(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assays", tmp_path / "assays", ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    for language, block in BLOCKS:
        # .ci/run runs the two blocks that install, each in a fresh environment.
        command = block.split("&&", 1)[1] if block.startswith(INSTALL) else block
        if command.strip() == "pytest":
            continue
        shell = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "bbb.molmeta").stat().st_size > 0


def test_readme_has_the_two_commands_of_ci() -> None:
    commands = [block.strip() for language, block in BLOCKS if block.startswith("pip install")]
    assert commands == [f"{INSTALL}. && molmeta adapt assays/bbb.csv", f"{INSTALL}-e '.[dev]' && pytest"]


def test_links_to_files_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert "://" in target or (ROOT / target).exists(), target
