"""In which ways a run is another one than that which was begun, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from molmeta.wording import counted

_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_SHOWN = 3  # of what a change names


def changes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between the manifests of two runs, the old first; "" where nothing does."""
    found, wanted = _readable(found), _readable(wanted)
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    if found.get("screened") or wanted.get("screened"):
        # How many rows the second model of a cascade scores follows from all the rest.
        names = [name for name in names if name != "top"] or names
    return "; ".join(_in_words(name, found, wanted) for name in names)


def _readable(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the name of the column of structures in place of its number."""
    at, header = manifest.get("smiles_column"), manifest.get("header")
    known = isinstance(at, int) and isinstance(header, Sequence) and at < len(header)
    return {**manifest, "smiles_column": header[at]} if known else manifest  # type: ignore[index]


def _in_words(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    say = _IN_WORDS.get(name) if name in found and name in wanted else None
    return (say or _plain(name))(found.get(name), wanted.get(name))


def _plain(what: str, none: str = "none") -> Callable[[Any, Any], str]:
    def say(old: Any, new: Any) -> str:
        before, now = (none if one is None else _short(str(one)) for one in (old, new))
        return f"another {what} ({before}, now {now})"

    return say


def _input(old: Any, new: Any) -> str:
    before, now = ([_name(one) for one in files] for files in (old, new))
    if sorted(before) != sorted(now):
        return f"other files of the library ({_sets(before, now)})"
    if before != now:
        return "the files of the library in another order"
    changed = [_file(one, other) for one, other in zip(old, new, strict=True) if one != other]
    return f"another library ({_listed(changed)})"


def _name(file: Any) -> str:
    return str(file["name"] if isinstance(file, Mapping) else file)


def _file(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    unit = "row" if "rows" in new else "byte"
    before, now = (int(one[f"{unit}s"]) for one in (old, new))
    if before == now:
        return f"{_name(new)} still has {counted(now, unit)}, but not the same"
    return f"{_name(new)} had {counted(before, unit)}, now {now}"


def _models(old: Any, new: Any) -> str:
    if len(old) != len(new):
        return f"{counted(len(old), 'model')}, now {len(new)}"
    pairs = zip(old, new, strict=True)
    changed = [f"{_short(one)}, now {_short(other)}" for one, other in pairs if one != other]
    return f"another model or --prevalence ({_listed(changed)})"


def _versions(old: Any, new: Any) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    shown = [f"{name} {old.get(name)}, now {new.get(name)}" for name in names]
    return f"other versions ({_listed(shown)})"


def _columns(what: str) -> Callable[[Any, Any], str]:
    return lambda old, new: f"other {what} ({_sets(list(old), list(new))})"


def _sets(old: Sequence[str], new: Sequence[str]) -> str:
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    said = [f"{word} {_listed(names)}" for word, names in (("without", gone), ("with", come)) if names]
    return f"now {', '.join(said)}" if said else "in another order, or of other types"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _short(text: str) -> str:
    return _HASH.sub(lambda match: match[0][:8], text)


_IN_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "input": _input,
    "models": _models,
    "versions": _versions,
    "device": _plain("--device"),
    "precision": _plain("--precision"),
    "header": _columns("columns in the library"),
    "smiles_column": _plain("column of structures"),
    "columns": _columns("--columns"),
    "chunk": _plain("number of rows in a chunk"),
    "top": _plain("--top", "all"),
    "shards": _plain("number of shards"),
    "excel_safe": _plain("--excel-safe"),
    "screened": _plain("--cascade"),
}
