"""Bytes of a table: from a path, a stream or stdin, unpacked under a limit, and told apart by content."""

from __future__ import annotations

import codecs
import itertools
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from molmeta.data.foreign import PARQUET, refuse_foreign
from molmeta.data.gunzip import BLOCK, gunzip
from molmeta.errors import InputError, MolmetaError

T = TypeVar("T")
Count = Callable[[int], None]

HEAD = 1 << 18
LINE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Source:
    """An opened table.

    Attributes
    ----------
    name : str
        For messages: the file's name, or "<stdin>".
    stem : str
        The name without its extensions.
    suffix : str
        Last extension in lower case, without .gz; "" where there is none.
    head : bytes
        The first unpacked bytes (up to 256 KiB), in UTF-8 where the file is UTF-16.
    chunks : iterator of bytes
        All unpacked bytes, `head` included.
    notes : list of str
        What was found on the way; grows while the chunks are read.
    close : callable
        Closes the file; a stream stays open.
    """

    name: str
    stem: str
    suffix: str
    head: bytes
    chunks: Iterator[bytes]
    notes: list[str]
    close: Callable[[], None]


def open_source(
    source: str | Path | BinaryIO, *, trusted: bool = False, count: Count = lambda size: None
) -> Source:
    """Open a path, a binary stream, or "-" (stdin); gzip and UTF-16 are unpacked on the way.

    `count` is told the size of each block of bytes that is read, before it is unpacked.

    Raises
    ------
    InputError
        No such file, not a file, unreadable, or of a kind that is not read (xlsx, zstd, ...).
    ResourceError
        gzip that unpacks to more than 200 times its size, unless `trusted`.
    """
    name, opened = _open(source, count)
    try:
        return _unpacked(name, opened, trusted)
    except MolmetaError:
        opened.close()  # the error may be kept, and the file with it
        raise


def _unpacked(name: str, opened: Generator[bytes], trusted: bool) -> Source:
    chunks: Iterator[bytes]
    chunks, head = _peek(opened, 4)
    notes: list[str] = []
    if head.startswith(b"\x1f\x8b"):
        chunks = gunzip(chunks, name, trusted)
        notes.append("unpacked with gzip")
    chunks, head = _peek(chunks, HEAD)
    refuse_foreign(name, head)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        notes.append("read as UTF-16")
        chunks, head = _peek(_from_utf16(chunks, name), HEAD)
    if head.startswith(codecs.BOM_UTF8):
        chunks, head = _skip(chunks, len(codecs.BOM_UTF8)), head[len(codecs.BOM_UTF8) :]
    if not PARQUET.match(head) and head.count(b"\0") * 10 > len(head):
        what = "a binary file, or UTF-16 or UTF-32 without its mark"
        raise InputError(f"{name} holds NUL bytes: it is {what}; save it as UTF-8")
    inner = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)
    suffix = Path(inner).suffix.lower()
    return Source(name, Path(inner).stem, suffix, head, chunks, notes, opened.close)


def _open(source: str | Path | BinaryIO, count: Count) -> tuple[str, Generator[bytes]]:
    if isinstance(source, str) and source == "-":
        return "<stdin>", _from_stream(sys.stdin.buffer, "<stdin>")
    if not isinstance(source, str | Path):
        name = Path(str(getattr(source, "name", "<stream>"))).name
        return name, _from_stream(source, name)
    path = Path(source)
    # os.path says no where pathlib raises, such as for names that are too long.
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; give the table inside it")
    if not os.path.isfile(path):
        raise InputError(f"{path} is not a regular file; to read from a pipe, give - and send it to stdin")
    try:
        return path.name, _from_file(path.open("rb"), path.name, count)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _from_stream(stream: BinaryIO, name: str) -> Generator[bytes]:
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    try:
        while chunk := read(BLOCK):
            yield chunk
    except OSError as error:
        raise InputError(f"{name} cannot be read any further: {error.strerror or error}") from error


def _from_file(stream: BinaryIO, name: str, count: Count) -> Generator[bytes]:
    """Blocks of a file, which is closed before the last one: an error that is kept may keep the reader."""
    with stream:
        blocks = _from_stream(stream, name)
        block = next(blocks, b"")
        while block:
            following = next(blocks, b"")
            if not following:
                stream.close()
            count(len(block))
            yield block
            block = following


def ahead(items: Iterator[T], enough: Callable[[list[T]], bool]) -> tuple[list[T], Iterator[T]]:
    """Items until `enough`, and an iterator that still starts with them.

    A damaged tail must not hide the rows before it: its InputError is raised when the iterator gets there.
    """
    seen: list[T] = []
    try:
        while not enough(seen):
            seen.append(next(items))
    except StopIteration:
        pass
    except InputError as error:
        items = _fail(error)
    return seen, itertools.chain(seen, items)


def _peek(chunks: Iterator[bytes], size: int) -> tuple[Iterator[bytes], bytes]:
    seen, chunks = ahead(chunks, lambda seen: sum(map(len, seen)) >= size)
    return chunks, b"".join(seen)


def _fail(error: InputError) -> Iterator[Any]:
    raise error
    yield


def _skip(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[size:]
        size -= min(size, len(chunk))


def _from_utf16(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise InputError(f"{name} starts as UTF-16 but is not: {error}") from error


def text_lines(source: Source) -> Iterator[str]:
    """Lines with their ends (LF, CRLF or CR), decoded one by one, cut where longer than LINE_LIMIT.

    UTF-8; a line that is not is read as Windows-1252, and the first such line is noted.
    """
    noted = False
    for number, line in enumerate(_split_lines(source.chunks), 1):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            if not noted:
                source.notes.append(f"line {number} is not UTF-8; such lines are read as Windows-1252")
                noted = True
            yield decode(line)


def decode(data: bytes) -> str:
    """Text of bytes in UTF-8, else in Windows-1252, else in Latin-1 (which never fails)."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        # A line that ends in CR may be half of CRLF, so it waits too.
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        yield from lines
        if len(rest) > LINE_LIMIT:
            rest = rest[: LINE_LIMIT + 1] + (b"\r" if rest.endswith(b"\r") else b"")
    if rest:
        yield rest
