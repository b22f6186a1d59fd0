"""`Run`: a library on its way through an engine into the parts of an output."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from molmeta.data.library import Library
from molmeta.errors import MolmetaError, RefusedError, ResourceError
from molmeta.scoring.engines import Engine, Stage
from molmeta.scoring.parts import End, Part, Parts
from molmeta.scoring.report import Progress
from molmeta.scoring.shard import WHOLE, Shard
from molmeta.scoring.tally import Tally
from molmeta.wording import counted

Show = Callable[[Progress], None]


@dataclass(eq=False)
class Run:
    """A library, what is made of its chunks and where.

    Attributes
    ----------
    library : Library
    stage : Stage of Part
    engine : Engine
    show : callable or None
        Called with the progress after each chunk.
    tally : Tally
        What became of the rows so far, by runs before included.
    """

    library: Library
    stage: Stage[Part]
    engine: Engine
    show: Show | None = None
    tally: Tally = field(default_factory=Tally)

    def make(
        self,
        parts: Parts,
        manifest: Mapping[str, Any],
        shard: Shard = WHOLE,
        *,
        resume: bool = False,
        force: bool = False,
    ) -> None:
        """Makes the parts of a shard that are missing; see `score_library` for what is refused."""
        with parts.locked(shard):
            if force and not resume and shard == WHOLE:
                parts.forget()
            if parts and not resume and shard == WHOLE:
                raise RefusedError(
                    f"{parts.folder} holds {counted(len(parts.done()), 'chunk')} of a run that was stopped; "
                    "--resume goes on with it, --force starts anew"
                )
            parts.begin(manifest)
            try:
                self._fill(parts, shard)
            except MolmetaError as error:
                done = counted(self.tally.rows, "row")
                goes_on = "; --resume goes on" if isinstance(error, ResourceError) else ""
                error.add_note(f"what is done, {done}, stays in {parts.folder}{goes_on}")
                raise

    def parts(self, wanted: Callable[[int], bool] = lambda index: True) -> Generator[Part | End]:
        """Parts of the chunks that are wanted, as they come; progress is shown when one was taken in."""
        # Closed at once where a signal comes in: its processes and threads are not left to the interpreter.
        with closing(self.engine.run(self.library, wanted, self.stage)) as made:
            for one in made:
                yield one
                if isinstance(one, Part):
                    self._count(one.tally)

    def _fill(self, parts: Parts, shard: Shard) -> None:
        done = parts.done()
        for index in sorted(done):
            if shard.has(index):
                self._count(parts.read(index).tally)
        with closing(self.parts(lambda index: shard.has(index) and index not in done)) as made:
            for one in made:
                if isinstance(one, End):
                    parts.finish(one)
                else:
                    parts.write(one)

    def _count(self, tally: Tally) -> None:
        self.tally = Tally.total([self.tally, tally])
        if self.show is not None:
            self.show(Progress(self.tally.rows, self.tally.rejected, self.library.share))
