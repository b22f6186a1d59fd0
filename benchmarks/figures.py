"""What was asked of scoring libraries, and what came out: a row a figure, out of the other tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trial import Row

Tables = Mapping[str, Sequence[Row]]


def figures(tables: Tables) -> list[Row]:
    """Of the tables that are there."""
    found = []
    for make in (_whole, _peers, _cached, _memory, _scaling):
        name = make.__name__.removeprefix("_")
        if name in tables:
            found += [
                {"figure": what, "asked": asked, "measured": measured, "reached": "yes" if holds else "no"}
                for what, asked, measured, holds in make(tables[name])
            ]
    return found


_Figure = tuple[str, str, str, bool]


def _whole(rows: Sequence[Row]) -> Iterator[_Figure]:
    for row in rows:
        if row["wanted"] != "–":
            share = "of it" in row["wanted"]
            asked = row["wanted"].replace("of it", "of RDKit's parse + Morgan counts")
            rate = f"{row['molecules a second']:,} a second"
            measured = f"{row['of the yardstick']} ({rate})" if share else rate
            what = f"{row['what']}, one core, compounds {row['compounds']}"
            yield what, f"≥ {asked}", measured, row["reached"] == "yes"


def _peers(rows: Sequence[Row]) -> Iterator[_Figure]:
    own = next(row for row in rows if row["wanted"] == "–")
    for row in rows:
        if row is not own:
            factor = float(row["base is faster by"])
            rates = f"{own['molecules a second']:,} against {row['molecules a second']:,} a second"
            what = f"base against {row['program']}, one core"
            yield what, f"≥ {row['wanted']} times", f"{factor:.2f} times ({rates})", factor >= 1.4


def _cached(rows: Sequence[Row]) -> Iterator[_Figure]:
    for row in rows:
        wanted = {"mm_score": 200_000, "all": 20_000}.get(row["columns"])
        if wanted is not None:
            rate = row["molecules a second"]
            what = f"{row['model']}, cached, {row['columns']}, {row['engine']}"
            yield what, f"≥ {wanted:,} a second", f"{rate:,} a second", rate >= wanted


def _memory(rows: Sequence[Row]) -> Iterator[_Figure]:
    few, many = rows[0], rows[-1]
    own, every = list(few)[1:3]
    for name in (own, every):
        ratio = many[name] / few[name]
        what = f"memory, {name.removesuffix(', MB')}: {many['rows']:,} against {few['rows']:,} rows"
        yield what, "≤ 1.05 times", f"{ratio:.3f} times", ratio <= 1.05
    most = max(many[own], many[every])
    yield f"memory at {many['rows']:,} rows", "≤ 1,500 MB", f"{most:,} MB", most <= 1500


def _scaling(rows: Sequence[Row]) -> Iterator[_Figure]:
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        plain = [row for row in own if row["structures"] != "–"]
        first, last = plain[0], plain[-1]
        if first is not last:
            gain = last["structures"] / first["structures"]
            what = f"{model}, structures to features, {first['engine']} to {last['engine']}"
            yield what, "≥ 1.8 times", f"{gain:.2f} times", gain >= 1.8
        for row in own:
            ray = row not in plain
            against = list(row)[-1] if ray else "of the bound"
            share = float(row[against])
            what = f"{model}, whole run, {row['engine']}"
            yield what, f"≥ 0.85 {against}", f"{share:.2f}", share >= 0.85
