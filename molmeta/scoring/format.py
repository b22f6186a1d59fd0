"""What a format of scored rows does: a chunk of rows becomes a part, and parts become the file."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pandas as pd

from molmeta.scoring.cells import arrow_type, clean, distinct

Cells = Sequence[Sequence[str]]


class Format(ABC):
    """How scored rows are written: the input's columns as text, then molmeta's.

    A part is what one chunk of rows becomes; the file is its head, the parts and its tail. The bytes of a
    part depend on its rows alone.

    Parameters
    ----------
    header : sequence of str
        Columns of the input; names may be blank or repeated.
    empty : DataFrame
        No rows; molmeta's columns with their names and types.

    Attributes
    ----------
    header : tuple of str
    empty : DataFrame
    added : dict of str to Arrow type
        molmeta's columns.
    draws : bool
        Whether `encode` reads the SMILES.
    names : tuple of str
        Of all columns, for formats that tell columns apart by name: blank names become column_1, ...,
        repeated ones get a number.
    """

    draws = False

    def __init__(self, header: Sequence[str], empty: pd.DataFrame) -> None:
        self.header, self.empty = tuple(header), empty
        self.added = {str(name): arrow_type(empty[name]) for name in empty}
        own = distinct([clean(name) for name in self.header], list(self.added))
        self.names = (*own, *self.added)

    @abstractmethod
    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        """A part.

        Parameters
        ----------
        cells : n >= 0 rows of input cells
        scored : DataFrame
            n rows of molmeta's columns; its index does not matter.
        smiles : n strings
            Canonical SMILES, for formats that draw; None where the row was rejected.
        """

    @abstractmethod
    def join(self, parts: Iterable[bytes], stream: BinaryIO) -> None:
        """Writes the file in constant memory, also where there is no part; the stream stays open."""

    def columns(self, cells: Cells) -> list[Sequence[str]]:
        """Cells of the input column by column, also where there are no rows."""
        return list(zip(*cells, strict=True)) if cells else [() for _ in self.header]


class Text(Format):
    """A format whose file is the head and the parts as they are: a stream can take them one by one."""

    def head(self) -> bytes:
        """What stands before the first part."""
        return b""

    def join(self, parts: Iterable[bytes], stream: BinaryIO) -> None:
        stream.write(self.head())
        for part in parts:
            stream.write(part)


class Gzip(Text):
    """Another text format, of which the head and each part become a gzip member without name and time.

    Parameters
    ----------
    kind : class
        Of the text format.
    header, empty
        As for `Format`.
    """

    def __init__(self, kind: type[Text], header: Sequence[str], empty: pd.DataFrame) -> None:
        super().__init__(header, empty)
        self.inner = kind(header, empty)
        self.draws = kind.draws

    def head(self) -> bytes:
        # Also where the head is empty: a file of no bytes is no gzip.
        return _member(self.inner.head())

    def encode(self, cells: Cells, scored: pd.DataFrame, smiles: Sequence[str | None]) -> bytes:
        rows = self.inner.encode(cells, scored, smiles)
        return _member(rows) if rows else b""


def lines(template: str, rows: Iterable[tuple[str, ...]]) -> bytes:
    """Rows by a template of `%s`, in UTF-8; lone surrogates become "?"."""
    return "".join([template % row for row in rows]).encode("utf-8", "replace")


def _member(data: bytes) -> bytes:
    return zlib.compress(data, wbits=31)
