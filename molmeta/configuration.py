"""Configurations: sections of TOML files in which an unknown key is an error."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from molmeta.errors import ConfigError

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what random generators take


class Section(BaseModel):
    """A part of a configuration, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Config = TypeVar("Config", bound=Section)


def check_seed(seed: int) -> None:
    """Raises ConfigError where random generators do not take a seed."""
    if not 0 <= seed < 2**32:
        raise ConfigError(f"found seed = {seed}; wanted a whole number from 0 to {2**32 - 1}")


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    ConfigError
        No such file, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def parse_as(shape: type[Config], content: dict[str, Any], source: str) -> Config:
    """The configuration of this shape with this content; messages say that it is from `source`.

    Raises
    ------
    ConfigError
        An unknown key (the nearest known one is named) or a value out of range.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: " + "; ".join(_explain(e, shape) for e in error.errors())) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the known one that is spelled most like it, or all.

    >>> nearest("widht", ["width", "depth"]), nearest("x", ["width", "depth"])
    ("did you mean 'width'?", 'known are width, depth')
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"


def _explain(error: Any, shape: type[Section]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg']} (found {error.get('input')!r})"
    section: type[BaseModel] = shape
    if len(error["loc"]) > 1:
        inside = shape.model_fields[str(error["loc"][0])].annotation
        section = inside if isinstance(inside, type) and issubclass(inside, Section) else shape
    return f"unknown key '{key}'; {nearest(str(error['loc'][-1]), section.model_fields)}"
