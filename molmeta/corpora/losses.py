"""`Losses`: what did not come into a corpus and why, by name and number; faults stop the build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from molmeta.errors import InputError

# What should not be in a source, and is not used until somebody has looked at it.
FAULTS = {
    "units": ("rows in another unit than their assay, or in none that says a scale", "convert them"),
    "scale": ("labels outside of the scale", "mend the values or their unit"),
    "duplicates": ("assays whose compounds and labels are those of another", "keep one of them"),
    "targets": ("assays whose target is in another fold too", "put a target into one fold"),
    "files": ("files or rows of these that are cut off or cannot be read", "mend them or leave them out"),
}
# What is left out of every corpus, and only counted.
LOSSES = {
    "value": "rows without a label, or with one that is no number",
    "relation": "rows with a sign that is not known",
    "structure": "rows whose structure cannot be read",
    "validity": "rows that the source itself doubts",
    "copy": "rows that the source marks as copies of others",
    "replicates": "compounds whose rows disagree",
    "bound": "compounds whose bound leaves the class open",
    "small": "assays of too few compounds",
    "large": "assays of too many compounds",
    "balance": "assays of too few actives or inactives",
}
_NAMED = 3  # assays in a message
_KEPT = 20  # assays in the manifest


class Losses:
    """Counts of what was left out, by reason and by assay (or file).

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

    def add_all(self, reason: str, where: Iterable[str]) -> None:
        """Counts one thing for each name."""
        found = Counter(where)
        for name, n in found.items():
            self.add(reason, name, n)

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
            leaves = "leaves them out" if len(found) == 1 else "leave them out"
            raise InputError(
                f"{source}: {'; '.join(map(self.sentence, found))}. {drop} {leaves}, with a count"
            )

    def sentence(self, reason: str) -> str:
        """A fault with its count, its assays, an example and what to do."""
        what, remedy = FAULTS[reason]
        where = self._counts[reason]
        shown = [f"{name} ({n})" if n > 1 else name for name, n in where.most_common(_NAMED)]
        more = [f"{len(where) - _NAMED} more"] if len(where) > _NAMED else []
        example = f": {self._examples[reason]}" if reason in self._examples else ""
        return f"{self.total(reason)} {what}, in {', '.join([*shown, *more])}{example}; {remedy}"

    def summary(self) -> str:
        """All that was left out, in a line."""
        words = {name: what for name, (what, _) in FAULTS.items()} | LOSSES
        return ", ".join(f"{self.total(name)} {what}" for name, what in words.items() if self.total(name))

    def to_json(self) -> dict[str, object]:
        """For the manifest: of each reason its meaning, its count, and the names with the most."""
        return {
            reason: {
                "what": FAULTS[reason][0] if reason in FAULTS else LOSSES[reason],
                "count": self.total(reason),
                "in": dict(self._counts[reason].most_common(_KEPT)),
                "names": len(self._counts[reason]),
            }
            for reason in [*FAULTS, *LOSSES]
            if reason in self._counts
        }
