"""`Shard`: one of several runs that share a library, for schedulers that start arrays of jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from molmeta.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """Run `number` of `count`, counted from 1: every count-th chunk is its own.

    >>> [index for index in range(7) if Shard.parse("2/3").has(index)]
    [1, 4]
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"shard {self.number}/{self.count} does not exist; wanted 1/n to n/n")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """ "3/64": the third of 64."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None:
            raise ConfigError(f"'{text}' names no shard; wanted its number and how many there are: 3/64")
        return cls(int(found[1]), int(found[2]))

    def has(self, index: int) -> bool:
        """Whether the chunk of a number is of this shard."""
        return index % self.count == self.number - 1


WHOLE = Shard(1, 1)
