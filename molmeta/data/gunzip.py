"""gzip, unpacked a little at a time and not without end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from molmeta.errors import InputError, ResourceError

BLOCK = 1 << 16
RATIO = 200
# Below this many unpacked bytes a high ratio is a small, repetitive table and harms nobody.
HARMLESS = 1 << 22


def gunzip(chunks: Iterator[bytes], name: str, trusted: bool) -> Iterator[bytes]:
    """Unpack gzip, also several members one after the other, never more than BLOCK bytes at once.

    Raises
    ------
    InputError
        It is damaged or cut off; what was before that was yielded.
    ResourceError
        It unpacks to more than 200 times its size, unless `trusted`.
    """
    packed = plain = 0
    member = zlib.decompressobj(wbits=31)
    complete = True
    for chunk in chunks:
        packed += len(chunk)
        if complete:  # tapes are filled up with zeros
            chunk = chunk.lstrip(b"\0")
        while chunk:
            try:
                data = member.decompress(chunk, BLOCK)
            except zlib.error as error:
                raise InputError(
                    f"{name} is damaged gzip ({error}); the rows before the damage were read"
                ) from error
            plain += len(data)
            if plain > max(HARMLESS, RATIO * packed) and not trusted:
                raise ResourceError(
                    f"{name} unpacks to more than {RATIO} times its size; if you trust it, give --trust-input"
                )
            if data:
                yield data
            complete = member.eof
            chunk = member.unused_data.lstrip(b"\0") if complete else member.unconsumed_tail
            if complete:
                member = zlib.decompressobj(wbits=31)
    if not complete:
        raise InputError(f"{name} is cut off: its gzip data end too early; the rows before the end were read")
