"""`Limits`: what one request may cost, and how many may be under way."""

from __future__ import annotations

from dataclasses import dataclass, fields

from molmeta.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """What a service gives to a request.

    Attributes
    ----------
    labelled, candidates : int
        Rows.
    body : int
        Bytes of a request.
    seconds : float
        From the last byte of a request to its answer, the wait for others included.
    workers : int
        Requests that are computed at the same time, each by a process with one thread.
    waiting : int
        Requests that may wait for these; more are turned away.
    deadline : float
        Seconds that one structure may take.

    Raises
    ------
    ConfigError
        One that is not above 0; only `waiting` may be 0.
    """

    labelled: int = 512
    candidates: int = 10_000
    body: int = 5_000_000
    seconds: float = 120.0
    workers: int = 1
    waiting: int = 8
    deadline: float = 10.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value < 0 or (value == 0 and one.name != "waiting"):
                raise ConfigError(f"found {one.name} = {value:g}; wanted more than 0")
