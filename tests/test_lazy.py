"""Attributes that are computed when they are asked for: once, and by several threads at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest

from molmeta.lazy import lazy


@dataclass(frozen=True)
class Meeting:
    """Its place is known when as many threads as there are guests ask for it at once."""

    guests: Barrier
    asked: list[int] = field(default_factory=list)

    @lazy
    def place(self) -> int:
        """Of one guest."""
        self.asked.append(1)
        return self.guests.wait(timeout=20)


def test_it_is_computed_once() -> None:
    alone = Meeting(Barrier(1))
    assert not alone.asked
    assert alone.place == alone.place == 0
    assert alone.asked == [1]


def test_objects_of_two_threads_do_not_wait_for_each_other() -> None:
    """With `functools.cached_property` of Python 3.11 the second thread never gets in."""
    both = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda one: one.place, [Meeting(both), Meeting(both)])
    assert sorted(found) == [0, 1]


def test_an_error_is_not_kept() -> None:
    class Late:
        ready = False

        @lazy
        def value(self) -> int:
            return 1 if self.ready else 1 // 0

    one = Late()
    with pytest.raises(ZeroDivisionError):
        _ = one.value
    one.ready = True
    assert one.value == 1
    assert isinstance(Late.value, lazy)
