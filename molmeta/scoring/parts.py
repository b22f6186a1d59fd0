"""The folder OUT.parts: what a run has done so far, one file a chunk, so that another run can go on.

A part appears whole or not at all (written, synced, renamed). `manifest.json` says what the parts are parts
of: the input, the models and the options; only a run of the same may add to them. `end.json` says how many
there are, once somebody has read the library to its end.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmeta.errors import MolmetaError, RefusedError
from molmeta.files import LONGEST_NAME, replacing, write_whole, writing
from molmeta.scoring.changes import changes
from molmeta.scoring.formats import Format
from molmeta.scoring.lock import held
from molmeta.scoring.ranking import Ranked
from molmeta.scoring.shard import WHOLE, Shard
from molmeta.scoring.tally import Tally

SUFFIX = ".parts"
_MANIFEST, _END, _PART, _LOCK = "manifest.json", "end.json", ".part", "lock"
_OWN = re.compile(r"(?:manifest\.json|end\.json|\d{9}\.part)(?:\.[0-9a-f]{16}\.tmp)?|lock\.\d+(?:\.held)?")


@dataclass(frozen=True)
class Part:
    """What a chunk becomes: its number, its rows as the format writes them, and what became of them."""

    index: int
    data: bytes
    tally: Tally


def check_name(out: Path) -> None:
    """Raises RefusedError where no file, with its parts beside it, can have that name."""
    if os.path.isdir(out):
        raise RefusedError(f"{out} is a folder; give the name of a file")
    longest = LONGEST_NAME - len(SUFFIX)
    if len(os.fsencode(out.name)) > longest:
        raise RefusedError(f"the name {out.name[:40]}... is too long; wanted at most {longest} bytes")


@dataclass(frozen=True)
class End:
    """That a library was read to its end: how many chunks it has, and notes on how it was read."""

    chunks: int
    notes: list[str]


class Parts:
    """The parts of an output.

    Parameters
    ----------
    out : path
        The output that they are for.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out.with_name(out.name + SUFFIX)

    def __bool__(self) -> bool:
        """Whether a run has begun."""
        return (self.folder / _MANIFEST).exists()

    @property
    def manifest(self) -> dict[str, Any]:
        """What the parts are parts of."""
        try:
            found: dict[str, Any] = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RefusedError(f"{self.folder} cannot be read ({error}); --force starts anew") from error
        return found

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Starts, or joins a run of the same.

        Raises
        ------
        RefusedError
            The parts that are there are of something else.
        """
        self.folder.mkdir(exist_ok=True)
        wanted = json.loads(json.dumps(manifest))
        if not self:
            self._write(_MANIFEST, json.dumps(wanted, indent=1).encode())
        changed = changes(self.manifest, wanted)
        if changed:
            raise RefusedError(
                f"{self.folder} is of another run: {changed}. Repeat the first command with --resume to go "
                "on, or give --force without it to start anew"
            )

    @contextmanager
    def locked(self, shard: Shard) -> Iterator[None]:
        """Nobody else makes the parts of this shard meanwhile.

        Raises
        ------
        RefusedError
            Somebody does; or the folder is one of somebody's own.
        """
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
            others = [path.name for path in self.folder.iterdir() if not _OWN.fullmatch(path.name)]
        if others:
            raise RefusedError(
                f"{self.folder} holds {others[0]!r}, which is no part of a run; move it, or give another "
                "output"
            )
        begun = True
        try:
            with held(self.folder / f"{_LOCK}.{shard.number}", str(self.out)):
                try:
                    yield
                finally:
                    begun = bool(self)
        finally:
            if not begun:  # nothing was begun, or all is done
                self._clear()

    def done(self) -> set[int]:
        """Numbers of the chunks that are done."""
        return {int(path.stem) for path in self.folder.glob(f"*{_PART}")}

    def write(self, part: Part) -> None:
        """Adds a part; raises ResourceError where the disk is full."""
        tally = json.dumps(part.tally.as_json()).encode()
        self._write(f"{part.index:09d}{_PART}", part.data + tally + len(tally).to_bytes(8, "little"))

    def read(self, index: int) -> Part:
        """The part of a chunk."""
        content = (self.folder / f"{index:09d}{_PART}").read_bytes()
        size = int.from_bytes(content[-8:], "little")
        tally = Tally.from_json(json.loads(content[-8 - size : -8]))
        return Part(index, content[: -8 - size], tally)

    def join(self, layout: Format | Ranked) -> Tally:
        """Writes the output from all parts, in order, and says what became of all rows.

        Raises ResourceError or RefusedError where it cannot be written.
        """
        total = Tally()

        def data() -> Iterator[bytes]:
            nonlocal total
            for index in sorted(self.done()):
                part = self.read(index)
                total = Tally.total([total, part.tally])
                yield part.data

        # What a run left that was killed while it did this; nobody else writes this output meanwhile.
        for left in self.out.parent.glob(f"{glob.escape(self.out.name)}.{'[0-9a-f]' * 16}.tmp"):
            left.unlink(missing_ok=True)
        try:
            with replacing(self.out) as stream:
                layout.join(data(), stream)
        except MolmetaError as error:
            error.add_note(f"what was scored stays in {self.folder}; molmeta merge {self.out} joins it")
            raise
        return total

    def finish(self, end: End) -> None:
        """Notes that the library was read to its end."""
        self._write(_END, json.dumps({"chunks": end.chunks, "notes": end.notes}).encode())

    @property
    def end(self) -> End | None:
        """What `finish` noted."""
        path = self.folder / _END
        return End(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def missing(self) -> list[int] | None:
        """Numbers of the chunks that are to be done; None where nobody has read the library to its end."""
        return None if self.end is None else sorted({*range(self.end.chunks)} - self.done())

    def forget(self) -> None:
        """Deletes what was done; a lock that is held stays."""
        # The manifest goes first: without it, the rest is nothing.
        (self.folder / _MANIFEST).unlink(missing_ok=True)
        self._delete(lambda name: not name.startswith(_LOCK))

    def drop(self) -> None:
        """Deletes all of it, folder and lock too."""
        with self.locked(WHOLE):
            self.forget()

    def _clear(self) -> None:
        """Deletes the folder, unless somebody came meanwhile."""
        with suppress(OSError):
            self._delete(lambda name: name.startswith(_LOCK) or name.endswith(".tmp"))
            self.folder.rmdir()

    def _delete(self, wanted: Callable[[str], bool]) -> None:
        for path in self.folder.iterdir():
            if _OWN.fullmatch(path.name) and wanted(path.name):
                path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.folder / name, content)
