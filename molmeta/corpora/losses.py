"""`Losses`: what did not come into a corpus and why, by name and number; faults stop the build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from molmeta.errors import InputError
from molmeta.wording import counted

# What should not be in a source, and is not used until somebody has looked at it: the thing that is
# counted, what is wrong with it, and what to do.
FAULTS = {
    "units": ("row", "in a unit that does not go with the others or says no scale", "convert them"),
    "scale": ("label", "outside of the scale", "mend the values or their unit"),
    "duplicates": ("assay", "with the compounds and labels of another one", "keep one of them"),
    "targets": ("assay", "on a target that is in another fold too", "put a target into one fold"),
    "files": ("part", "of the source that is cut off or cannot be read", "mend it or leave it out"),
}
# What is left out of every corpus, and only counted.
LOSSES = {
    "value": ("row", "without a label, or with one that is no number"),
    "relation": ("row", "with a sign that is not known"),
    "structure": ("row", "with a structure that cannot be read"),
    "validity": ("row", "doubted by the source itself"),
    "copy": ("row", "marked as a copy by the source"),
    "replicates": ("compound", "with rows that disagree"),
    "bound": ("compound", "with a bound that leaves the class open"),
    "small": ("assay", "of too few compounds"),
    "large": ("assay", "of too many compounds"),
    "balance": ("assay", "of too few actives or inactives"),
}
_NAMED = 3  # assays in a message
_KEPT = 20  # assays in the manifest


class Losses:
    """Counts of what was left out, by reason and by assay (or target, or file).

    Parameters
    ----------
    droppable : collection of str
        Faults that are left out too; the others stop the build.
    """

    def __init__(self, droppable: Collection[str]) -> None:
        self.droppable = frozenset(droppable)
        self._counts: dict[str, Counter[str]] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, where: str, n: int = 1, example: str = "") -> None:
        """Counts n things of an assay, with an example of what was found."""
        if n:
            self._counts.setdefault(reason, Counter())[where] += n
            if example:
                self._examples.setdefault(reason, example)

    def copy(self) -> Losses:
        """The same counts, to go back to."""
        other = Losses(self.droppable)
        other._counts = {reason: Counter(counts) for reason, counts in self._counts.items()}
        other._examples = dict(self._examples)
        return other

    def total(self, reason: str) -> int:
        """How many there are."""
        return sum(self._counts.get(reason, {}).values())

    def stop(self, source: str) -> None:
        """Raises InputError where there are faults that must not be dropped; all of them are named."""
        found = [name for name in FAULTS if name in self._counts and name not in self.droppable]
        if found:
            drop = " ".join(f"--drop {name}" for name in found)
            said = "; ".join(f"{self._sentence(name)}: {FAULTS[name][2]}" for name in found)
            raise InputError(f"{source}: {said}. Or give {drop}, to leave out and count them")

    def _sentence(self, reason: str) -> str:
        """A reason with its count, its assays and an example."""
        noun, what = _words(reason)
        where = self._counts[reason]
        shown = [f"{name} ({n})" if n > 1 else name for name, n in where.most_common(_NAMED)]
        more = [f"{len(where) - _NAMED} more"] if len(where) > _NAMED else []
        example = f"; {self._examples[reason]}" if reason in self._examples else ""
        return f"{counted(self.total(reason), noun)} {what} ({', '.join([*shown, *more])}{example})"

    def summary(self) -> str:
        """All that was left out, in a line."""
        found = [name for name in [*FAULTS, *LOSSES] if name in self._counts]
        return ", ".join(f"{counted(self.total(one), _words(one)[0])} {_words(one)[1]}" for one in found)

    def to_json(self) -> dict[str, object]:
        """For the manifest: of each reason its meaning, its count, and the names with the most."""
        return {
            reason: {
                "what": " ".join((f"{_words(reason)[0]}s", _words(reason)[1])),
                "count": self.total(reason),
                "in": dict(self._counts[reason].most_common(_KEPT)),
                "names": len(self._counts[reason]),
            }
            for reason in [*FAULTS, *LOSSES]
            if reason in self._counts
        }


def _words(reason: str) -> tuple[str, str]:
    return FAULTS[reason][:2] if reason in FAULTS else LOSSES[reason]
