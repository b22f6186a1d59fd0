"""The section [search] of a configuration: which of its keys are searched, and among which values."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from molmeta.configuration import nearest, read_toml
from molmeta.encoders import encoder_class
from molmeta.errors import ConfigError
from molmeta.heads import HEADS
from molmeta.learner import Learner
from molmeta.training.config import TrainConfig, parse_config
from molmeta.training.run import check_heads

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

HEAD = "head"  # a path of its own: which of the tables [heads.*] is trained
# By these all trials are compared, so they are the same for all of them.
_FIXED = ("name", "validation", "data.valid", "data.valid_roles")


class _Dimension(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def suggest(self, trial: BaseTrial, path: str) -> Any:
        """A value for the key `path`, as the sampler of the trial wants it."""

    @abstractmethod
    def corners(self) -> tuple[Any, ...]:
        """Values at the ends; if the configuration takes these, it takes all."""


class Range(_Dimension):
    """Numbers from low to high, whole ones if both are; of a logarithmic range each decade counts alike."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range must be above 0")
        return self

    def suggest(self, trial: BaseTrial, path: str) -> int | float:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(path, self.low, self.high, log=self.log)
        return trial.suggest_float(path, self.low, self.high, log=self.log)

    def corners(self) -> tuple[int | float, ...]:
        return (self.low, self.high)


class Choices(_Dimension):
    """Some values. Lists, such as those of fingerprints, are among them."""

    values: Annotated[tuple[Any, ...], Field(min_length=1)]

    def suggest(self, trial: BaseTrial, path: str) -> Any:
        # A study knows scalars only, so that other values are known to it by their text.
        known: dict[Any, Any] = {_label(value): value for value in self.values}
        return known[trial.suggest_categorical(path, list(known))]

    def corners(self) -> tuple[Any, ...]:
        return self.values


def _label(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


@dataclass(frozen=True)
class Space:
    """A training configuration, and the keys of it that are searched.

    Attributes
    ----------
    content : dict
        The configuration as TOML has it, without [search].
    dimensions : dict of str to Range or Choices
        By dotted path; "head" comes first, as arguments of a head are searched only where it is trained.
    """

    content: dict[str, Any]
    dimensions: dict[str, Range | Choices]

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Values by path for one trial."""
        values: dict[str, Any] = {}
        for path, dimension in self.dimensions.items():
            head = values.get(HEAD)
            if head is None or not path.startswith("heads.") or path.split(".")[1] == head:
                values[path] = dimension.suggest(trial, path)
        return values

    def apply(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with these values by path, as a plain one for `molmeta train`.

        Heads that give the length `dim` of the embedding that they read follow `encoder.dim`.
        """
        content = deepcopy(self.content)
        for path, value in values.items():
            if path == HEAD:
                content["heads"] = {value: content["heads"][value]}
                continue
            *parents, key = path.split(".")
            table = content
            for parent in parents:
                table = table.setdefault(parent, {})
            table[key] = value
        if "encoder.dim" in values:
            for arguments in content["heads"].values():
                if "dim" in arguments:
                    arguments["dim"] = values["encoder.dim"]
        return content


def read_space(path: Path) -> Space:
    """The search space in a TOML file, with all that can be seen of it before a trial checked.

    Raises
    ------
    ConfigError
        The configuration does not fit without [search], there is none, a path in it is not known (the
        nearest known one is named), or the configuration does not take a value.
    """
    content = read_toml(path)
    section = content.pop("search", None)
    if not section:
        raise ConfigError(
            f"{path} has no section [search]; give one with what to search, for example "
            '"encoder.width" = [512, 1024] or "episodic.rate" = { low = 1e-4, high = 1e-1, log = true }'
        )
    config = parse_config(content, str(path))
    if "valid_report" in config.data.valid_roles:
        raise ConfigError(
            f"{path}: data.valid_roles holds 'valid_report'; what is reported must choose nothing, so leave "
            "it out"
        )
    found = {key: _dimension(value, f"{path}: search.{key}") for key, value in _flat(section)}
    space = Space(content, {key: found[key] for key in sorted(found, key=lambda key: key != HEAD)})
    for key in found:
        _check_path(space, config, key, f"{path}: search.{key}")
    _check_corners(space, str(path))
    return space


def _flat(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted path: TOML reads a path without quotation marks as tables in tables."""
    for key, value in section.items():
        if isinstance(value, Mapping) and not value.keys() & Range.model_fields.keys():
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _dimension(value: Any, where: str) -> Range | Choices:
    try:
        if isinstance(value, list):
            return Choices(values=tuple(value))
        return Range.model_validate(value)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip().replace("Value error, ", "")
            for e in error.errors()
        )
        raise ConfigError(
            f"{where}: {reasons} (found {value!r}); wanted a list of values or "
            "{ low = ..., high = ..., log = true }"
        ) from error


def _check_path(space: Space, config: TrainConfig, path: str, where: str) -> None:
    """Every part of a path must be known where it stands; below arguments of an encoder or a head, where
    only their constructors know, `_check_corners` sees to it."""
    if any(path == fixed or path.startswith(f"{fixed}.") for fixed in _FIXED):
        raise ConfigError(f"{where} cannot be searched: trials are compared by it; leave it out of [search]")
    first, *rest = path.split(".")
    _known(first, [HEAD, *TrainConfig.model_fields], where)
    if first == HEAD:
        for name in space.dimensions[HEAD].corners():
            _known(str(name), config.heads, f"{where}: there is no table [heads.{name}]")
    elif first == "encoder":
        names = space.dimensions.get("encoder.name")
        classes = [
            encoder_class(str(name)) for name in (names.corners() if names else [config.encoder.get("name")])
        ]
        known = {"name": None} | {key: None for kind in classes for key in signature(kind).parameters}
        _known(rest[0] if rest else "", known, where)
    elif first == "heads":
        _known(rest[0] if rest else "", config.heads, where)
        arguments = signature(HEADS[rest[0]]).parameters if rest[0] in HEADS else {}
        _known(rest[1] if rest[1:] else "", arguments, where)
    elif isinstance(section := getattr(config, first), BaseModel):
        _known(rest[0] if rest else "", type(section).model_fields, where)


def _known(name: str, known: Mapping[str, Any] | list[str], where: str) -> None:
    if name not in known:
        raise ConfigError(f"{where}: unknown key '{name}'; {nearest(name, known)}")


def _check_corners(space: Space, source: str) -> None:
    """The configuration must take every value of every key, and be one that can be trained."""
    for head in space.dimensions[HEAD].corners() if HEAD in space.dimensions else (None,):
        base = {} if head is None else {HEAD: head}
        _check_config(space.apply(base), source if head is None else f"{source}: search.{HEAD} = '{head}'")
        for path, dimension in space.dimensions.items():
            if path == HEAD or (head and path.startswith("heads.") and path.split(".")[1] != head):
                continue
            for value in dimension.corners():
                _check_config(space.apply({**base, path: value}), f"{source}: search.{path} = {value!r}")


def _check_config(content: dict[str, Any], where: str) -> None:
    config = parse_config(content, where)
    try:
        check_heads(config)
        Learner(config.encoder, config.heads, config.heads if config.episodic.last_layers else ())
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error
