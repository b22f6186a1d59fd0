"""Which column holds the labels: by name among those that hold classes or numbers, and else a question."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from molmeta.data.columns import Header
from molmeta.data.decimals import stated_decimal
from molmeta.data.headers import is_p_scale, label_rank, plain, says_potency, unit_in
from molmeta.data.labels import Blank, Label, Unreadable, read_label
from molmeta.data.labelwords import relation_of
from molmeta.errors import InputError

_SAME = 0.05  # how much logarithms of one column may differ from another by rounding


def find_label(header: Header, taken: int, wanted: str | None = None) -> int:
    """The column of labels: by name among those that hold classes or numbers, else the only one that does.

    Raises
    ------
    InputError
        No such column, none, or several that nothing tells apart.
    """
    if wanted is not None:
        return header.find(wanted, "--label-column")
    counts = _label_counts(header, taken)
    best = _prefer_potency(header, _best_named(header, counts), counts)
    if len(best) == 1:
        return best[0]
    if best:
        raise InputError(
            f"{header.file} has {len(best)} columns that may hold the labels: {header.listed(best)}; "
            "give --label-column"
        )
    others = [i for i in range(len(header.names)) if i != taken]
    if (named := [i for i in others if label_rank(header.names[i]) < 2 and header.column(i)]) and not counts:
        raise InputError(_unreadable(header, named[0]))
    raise InputError(
        f"{header.file} has no column of labels among {header.listed(others) or 'its other columns (none)'}; "
        "wanted classes (0/1, active/inactive) or numbers: give --label-column"
    )


def _unreadable(header: Header, label: int) -> str:
    """What is wrong with a column that is called like labels, and most cells of which are none."""
    cells = header.column(label)
    refused = [found for cell in cells if isinstance(found := read_label(cell), Unreadable)]
    if not refused:
        return (
            f"{header.file} column '{header.names[label]}' is called like labels, but all its cells say "
            f"'{cells[0]}' or the like; wanted classes (0/1, active/inactive) or numbers"
        )
    return (
        f"{header.file} column '{header.names[label]}' is called like labels, but {len(refused)} of its "
        f"{len(cells)} cells are none, such as '{refused[0].text[:40]}': {refused[0].why}; mend them, or "
        f"give --label-column '{header.names[label]}' to leave them out"
    )


def other_labels(header: Header, taken: int, label: int) -> list[int]:
    """Further columns that are called like measurements and hold labels: one of them may be meant."""
    counts = _label_counts(header, taken)
    return [i for i in header.distinct(list(counts)) if i != label and label_rank(header.names[i]) < 2]


def _label_counts(header: Header, taken: int) -> dict[int, int]:
    """About how many labels each column holds, of those that hold any."""
    counts = {i: _readable(header.column(i)) for i in range(len(header.names)) if i != taken}
    return {i: count for i, count in counts.items() if count}


def _best_named(header: Header, counts: Mapping[int, int]) -> list[int]:
    ranks = {i: label_rank(header.names[i]) for i in counts}
    best = [i for i in ranks if ranks[i] == min(ranks.values()) < 3]
    return _without_twins(header, header.distinct(best))


def _prefer_potency(header: Header, columns: list[int], counts: Mapping[int, int]) -> list[int]:
    """Leave out what is mostly empty, and what was measured at one concentration before a potency was.

    Where the potencies themselves are mostly empty, since only hits were followed up, both are left: which
    one is meant is not for us to say.
    """
    full = max((counts[i] for i in columns), default=0)
    filled = [i for i in columns if counts[i] * 2 > full]
    single = [i for i in columns if unit_in(header.names[i]) == "%"]
    potencies = [i for i in columns if says_potency(header.names[i]) or is_p_scale(unit_in(header.names[i]))]
    if not single or not potencies:
        return filled
    if not set(filled) & set(potencies):
        return columns
    return [i for i in filled if i not in single]


def _readable(cells: Sequence[str]) -> int:
    """About how many cells are labels, from a part of them; 0 where most are something else."""
    probed = cells[:: len(cells) // 500 + 1]
    readings = [(read_label(cell), read_label(cell, ",")) for cell in probed]
    labels = sum(any(isinstance(reading, Label) for reading in pair) for pair in readings)
    blanks = sum(isinstance(pair[0], Blank) for pair in readings)
    return labels * len(cells) // len(probed) if labels * 2 > len(probed) - blanks else 0


def _without_twins(header: Header, columns: list[int]) -> list[int]:
    """Leave pIC50 and logIC50 out where IC50 with its unit, and so with its signs, is there as well."""
    # In ChEMBL's own tables, "value" is what was published and "standard_value" the same in one unit.
    if any(plain(header.names[i]) == "standard_value" for i in columns):
        columns = [i for i in columns if plain(header.names[i]) != "value"]
    first = {i: plain(header.names[i]).split("_")[0] for i in columns}
    stated = {first[i] for i in columns if unit_in(header.names[i])}
    return [i for i in columns if re.sub("^(?:p|log)", "", first[i], count=1) not in stated - {first[i]}]


def check_signs(header: Header, label: int, relation: int | None) -> None:
    """Stop where labels are the logarithms of another column, and signs may be those of either.

    "> 10000" nM is "< 5" on the p-scale: a sign that stands beside both cannot be read.

    Raises
    ------
    InputError
        With the column to take instead.
    """
    if relation is None or not any(relation_of(row[relation]) for row in header.sample if row[label].strip()):
        return
    own = _numbers(header, label)
    known = [p for p in own if p is not None]
    if not known or max(known) - min(known) < 2 * _SAME:
        return  # what varies so little seems to be the logarithm of any column
    for i in range(len(header.names)):
        if i == label:
            continue
        pairs = [(p, x) for p, x in zip(own, _numbers(header, i), strict=True)
                 if p is not None and x is not None and x > 0]  # fmt: skip
        sums = [p + math.log10(x) for p, x in pairs]
        if len(sums) > 2 and max(sums) - min(sums) < _SAME and len({p for p, _ in pairs}) > 1:
            raise InputError(
                f"{header.file} has signs such as '>' in '{header.names[relation]}', which may be those of "
                f"'{header.names[label]}' or of '{header.names[i]}', whose logarithm it is: give "
                f"--label-column '{header.names[i]}' (with its --unit), or leave the column of signs out"
            )


def _numbers(header: Header, index: int) -> list[float | None]:
    """Numbers of a column by its own decimal sign."""
    cells = [row[index] for row in header.sample]
    decimal = stated_decimal(cells) or "."
    readings = [read_label(cell, decimal) for cell in cells]
    return [r.value if isinstance(r, Label) and r.form != "class" else None for r in readings]
