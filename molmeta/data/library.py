"""Libraries of any size, read in chunks of text with constant memory; structures are parsed when scored."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molmeta.chem.molecule import Rejection
from molmeta.data.columns import Header, find_identifier, find_smiles
from molmeta.data.delimited import Row
from molmeta.data.identity import Seen
from molmeta.data.raw import RawTable, Tables, open_table
from molmeta.data.sources import Sources, is_path, is_stream, sources_of
from molmeta.errors import ConfigError, InputError, MolmetaError


@dataclass(frozen=True)
class LibraryChunk:
    """Consecutive rows of a library.

    Attributes
    ----------
    first_row : int
        Row of the first one, counted from 1 over the data rows of all files.
    header : tuple of str
        Column names of the input.
    cells : list of tuple of str
        The input columns verbatim, one tuple a row. Where a row could not be cut into cells: its raw text
        in the first and blanks in the others.
    smiles : list of str
        Structure of each row as text; "" where the row could not be cut into cells.
    rejected : tuple of Rejection
        Rows of this chunk that could not be cut into cells (ragged, too large); all others are for
        `molmeta.chem.smiles.read_smiles`.
    """

    first_row: int
    header: tuple[str, ...]
    cells: list[tuple[str, ...]]
    smiles: list[str]
    rejected: tuple[Rejection, ...] = ()

    def __len__(self) -> int:
        return len(self.smiles)

    def only(self, rows: NDArray[np.bool_]) -> LibraryChunk:
        """Some of the good rows, for which bool[n] says yes, under the number of the first row of all."""
        at = np.flatnonzero(rows).tolist()
        return LibraryChunk(
            self.first_row, self.header, [self.cells[i] for i in at], [self.smiles[i] for i in at]
        )


class Library:
    """A library that is read while it is iterated over; made by `read_library`.

    Attributes
    ----------
    sources : tuple
        Files, streams or frames, in order; patterns are resolved.
    header : tuple of str
        Known before the first chunk, also where there are no rows.
    smiles_column, id_column : int or None
        Positions in `header`; None where there are no rows, or no identifiers.
    chunk : int
        Rows a chunk; its borders depend on nothing else.
    notes : list of str
        What was decided; may grow while the library is read.
    """

    def __init__(
        self,
        sources: Sequence[Tables],
        smiles_column: str | None,
        id_column: str | None,
        chunk: int,
        trusted: bool,
    ) -> None:
        self.sources, self._trusted, self._read = tuple(sources), trusted, 0
        self._picked: NDArray[np.bool_] | None = None
        self._seen: dict[int, Seen] = {}
        # The first table stays open because stdin can be opened only once.
        first = self._open(0)
        self._first: RawTable | None = first
        self.header, self.notes, self.chunk = first.header, first.notes, chunk
        try:
            self.smiles_column, self.id_column = _columns(first, smiles_column, id_column)
            for source in self.sources[1:]:
                following = open_table(source, trusted=trusted)
                following.close()
                self._check_header(following)
        except InputError:
            first.close()
            raise
        sizes = [Path(s).stat().st_size for s in self.sources if is_path(s)]
        self._size = sum(sizes) if len(sizes) == len(self.sources) else None

    @property
    def share(self) -> float | None:
        """How much of the files was read so far, 0 to 1; None where that cannot be known."""
        return None if self._size is None else min(self._read / max(self._size, 1), 1.0)

    def _open(self, number: int) -> RawTable:
        source = self.sources[number]
        with suppress(OSError):  # reading it says why it cannot be read
            if is_path(source) and os.path.isfile(source):  # a pipe would wait for somebody to write
                self._seen[number] = Seen.of(Path(source))
        return open_table(source, trusted=self._trusted, count=self._count)

    def _count(self, size: int) -> None:
        self._read += size

    def only(self, rows: NDArray[np.bool_]) -> Library:
        """This library without the rows for which bool[n] says no; numbers of chunks and rows stay."""
        picked = copy.copy(self)
        picked._picked = rows
        return picked

    def __iter__(self) -> Iterator[LibraryChunk]:
        """Chunks in the order of the rows; files can be read again, a stream only once.

        Raises
        ------
        InputError
            A file breaks off (after all rows before that were yielded), or a stream was read before.
        RefusedError
            A file was changed meanwhile (after all its rows were yielded).
        """
        for first_row, rows in _batches(self._rows(), self.chunk):
            chunk = self._chunk(first_row, rows)
            yield chunk if self._picked is None else chunk.only(self._picked[first_row - 1 :][: len(rows)])

    def _rows(self) -> Iterator[Row]:
        first, self._first = self._first, None
        if first is None and is_stream(self.sources):
            raise InputError("this library is a stream and was read already; give a file to read it again")
        for i in range(len(self.sources)):
            table = first if i == 0 and first is not None else self._open(i)
            self._check_header(table)
            yield from table.rows
            if i in self._seen:
                self._seen[i].check()

    def _check_header(self, table: RawTable) -> None:
        if table.header != self.header:
            here, first = (Header(table.name, names, ()) for names in (table.header, self.header))
            raise InputError(
                f"{table.name} has the columns {here.listed(range(len(here.names)))}, but the first file has "
                f"{first.listed(range(len(first.names)))}; wanted the same in all: score them apart"
            )

    def _chunk(self, first_row: int, rows: list[Row]) -> LibraryChunk:
        column = self.smiles_column
        rejected = [
            Rejection(number, row.problem.text, row.problem.reason, row.problem.detail)
            for number, row in enumerate(rows, first_row)
            if row.problem is not None
        ]
        if column is None and len(rejected) < len(rows):
            raise InputError("no column of SMILES was found in the first rows; give --smiles-column")
        smiles = ["" if column is None or row.problem is not None else row.cells[column] for row in rows]
        return LibraryChunk(first_row, self.header, [row.cells for row in rows], smiles, tuple(rejected))


def _columns(table: RawTable, smiles: str | None, identifier: str | None) -> tuple[int | None, int | None]:
    """Of structures and identifiers; raises InputError where there is none of structures."""
    header = Header(table.name, table.header, table.sample)
    empty = not table.sample and smiles is None and table.structure is None
    found = _by_name(header) if empty else find_smiles(header, smiles, table.structure)
    return found, find_identifier(header, [found or 0], identifier)


def read_library(
    source: Sources,
    *,
    smiles_column: str | None = None,
    id_column: str | None = None,
    chunk: int = 4096,
    trusted: bool = False,
) -> Library:
    """Open a library of compounds; its rows are read when the result is iterated over.

    Parameters
    ----------
    source : path, glob pattern, several paths, binary stream, "-" (stdin) or DataFrame
        .csv .tsv .smi .sdf .parquet, also .gz, told by content; several files must have the same columns.
    smiles_column, id_column : str or None
        Column names; None: found by content and name in the first 200 rows.
    chunk : int
        Rows a chunk.
    trusted : bool
        Leave out the limit on how far gzip may unpack.

    Returns
    -------
    Library
        Iterator of `LibraryChunk`, with the header at hand; nothing is yielded where there are no rows.

    Raises
    ------
    InputError
        No such file, no or several columns of structures, or files with different columns.
    """
    if chunk < 1:
        raise ConfigError(f"chunk={chunk} is not a number of rows; wanted 1 or more")
    return Library(sources_of(source), smiles_column, id_column, chunk, trusted)


def _by_name(header: Header) -> int | None:
    """The column of structures of a table without good rows, where its name says so."""
    try:
        return find_smiles(header)
    except InputError:
        return None


def _batches(rows: Iterator[Row], size: int) -> Iterator[tuple[int, list[Row]]]:
    """Rows in lists of `size`, with the number of the first; an error comes after the rows before it."""
    start, batch = 1, []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) == size:
                yield start, batch
                start, batch = start + size, []
    except MolmetaError:
        if batch:
            yield start, batch
        raise
    if batch:
        yield start, batch
