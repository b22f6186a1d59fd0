"""`lazy`: an attribute that is computed when it is asked for, and kept, without a lock."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self, TypeVar, overload

T = TypeVar("T")


class lazy(cached_property[T]):
    """As `functools.cached_property`, for objects that no two threads share.

    Before Python 3.12, that holds a lock while it computes, which all objects of a class have in common: so
    threads that each have an object of their own wait for one another.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Self | T:
        if instance is None:
            return self
        assert self.attrname is not None
        value = vars(instance)[self.attrname] = self.func(instance)
        return value
