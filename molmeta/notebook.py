"""What a notebook shows of an adapted model: a piece of HTML that needs nothing else and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from molmeta.adaptreport import AdaptReport
from molmeta.data.support import Support
from molmeta.drawing import structure
from molmeta.wording import counted, escaped

_EACH_END = 3  # compounds that are drawn of the highest and of the lowest labels
_WIDTH, _HEIGHT = 150, 110
_LONGEST_NAME = 40

_BOX = "border:1px solid #8888;border-radius:6px;padding:8px 12px;display:inline-block;max-width:1020px"
_FIGURE = f"display:inline-block;width:{_WIDTH}px;margin:6px 4px 0 0;vertical-align:top;text-align:center"
_CAPTION = "font-size:85%;overflow-wrap:anywhere"


def card(report: AdaptReport, support: Support, heading: str = "molmeta") -> str:
    """The name of the assay, what was learned from, the verdict, and labelled compounds from both ends.

    Parameters
    ----------
    report : AdaptReport
    support : Support
    heading : str
        What kind of object it is.

    Returns
    -------
    str
        HTML without scripts, links and style sheets; all text of the user is escaped.
    """
    lines = [f"<strong>{escaped(report.assay)}</strong> · {escaped(heading)}", escaped(_extent(report))]
    verdict = "not compared with baselines" if report.verdict is None else report.verdict.sentence
    lines += [f"Verdict: {escaped(verdict)}"] if report.n else map(escaped, report.notes)
    lines += [f"Warning: {escaped(warning)}" for warning in report.warnings]
    text = "".join(f"<div>{line}</div>" for line in lines)
    drawn = () if support.is_hidden else _both_ends(support)
    figures = "".join(_figure(support, i) for i in drawn)
    return f'<div style="{_BOX}">{text}{figures and f"<div>{figures}</div>"}</div>'


def _extent(report: AdaptReport) -> str:
    compounds = counted(report.n, "compound")
    if report.span is not None:
        low, high = report.span
        compounds += f", {report.target.model_unit or report.target.name} from {low:.3g} to {high:.3g}"
    elif report.n_active is not None:
        compounds += f", {report.n_active} active and {report.n - report.n_active} inactive"
    return f"Model {report.model}, {compounds}"


def _both_ends(support: Support) -> Iterator[int]:
    """Positions of the compounds with the highest labels, then of those with the lowest."""
    falling = sorted(range(len(support)), key=lambda i: -support.values[i])
    if len(falling) <= 2 * _EACH_END:
        yield from falling
    else:
        yield from falling[:_EACH_END]
        yield from falling[-_EACH_END:]


def _figure(support: Support, i: int) -> str:
    name = support.names()[i]
    shown = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    caption = f"{escaped(shown)}<br>{escaped(_label(support, i))}"
    drawing = structure(support.smiles[i], (_WIDTH, _HEIGHT))
    return f'<div style="{_FIGURE}">{drawing}<div style="{_CAPTION}">{caption}</div></div>'


def _label(support: Support, i: int) -> str:
    value = support.values[i]
    if support.target.kind == "classification":
        return "active" if value else "inactive"
    sign = {-1: "< ", 0: "", 1: "> "}[support.relations[i]]
    return f"{sign}{value:.3g}"
