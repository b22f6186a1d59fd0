"""The page on corpora states the defaults as they are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from molmeta.corpora.config import CorpusConfig
from molmeta.corpora.losses import FAULTS

PAGE = (Path(__file__).parents[2] / "docs/how-to/build-a-corpus.md").read_text(encoding="utf-8")


def test_all_defaults() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    said = tomllib.loads(block)
    assert CorpusConfig.model_validate(said) == CorpusConfig()
    # Nothing is left out: but what depends on the source.
    defaults = CorpusConfig().model_dump(mode="json", exclude={"faults"})
    assert {(s, key) for s, part in said.items() for key in part} == {
        (s, key) for s, part in defaults.items() for key in part
    }


def test_all_faults() -> None:
    paragraph = next(part for part in PAGE.split("\n\n") if part.startswith("`--drop`"))
    assert set(FAULTS) <= set(re.findall(r"`(\w+)`", paragraph))
