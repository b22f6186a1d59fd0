"""Example assays of well-known compounds, and a library of marketed drugs to score.

Each assay is NAME.csv with NAME.toml beside it (target, source, licence); ``drugs.smi`` is the library.
All were compiled from common knowledge, for demonstration: not for decisions about a compound.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from molmeta.errors import ConfigError

LIBRARY = "drugs"


def available() -> tuple[str, ...]:
    """Names of the shipped assays, sorted.

    >>> available()
    ('bbb', 'cox', 'logp')
    """
    return tuple(sorted(file.stem for file in _folder().glob("*.toml")))


def path(name: str) -> Path:
    """File of a shipped assay, or of the library for "drugs".

    Raises
    ------
    ConfigError
        No assay of that name is shipped.

    >>> path("bbb").name, path("drugs").name
    ('bbb.csv', 'drugs.smi')
    """
    if name == LIBRARY:
        return _folder() / f"{LIBRARY}.smi"
    if name not in available():
        known = ", ".join((*available(), LIBRARY))
        raise ConfigError(f"no shipped assay is called {name!r}; give one of {known}, or the path of a file")
    return _folder() / f"{name}.csv"


def _folder() -> Path:
    return Path(str(files(__name__)))
