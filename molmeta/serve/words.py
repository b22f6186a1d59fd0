"""What the page says of numbers and codes."""

from __future__ import annotations

from types import SimpleNamespace

from molmeta.report.words import TONES
from molmeta.report.words import domain as domain_of
from molmeta.serve.answer import Basis, Ranked
from molmeta.wording import counted

_NOT_COMPARED = ("care", "Not compared.", "The comparison with simple methods was left out.")
_SETS = {
    "active": ("active", "good"),
    "inactive": ("inactive", "bad"),
    "either": ("active or inactive", "care"),
    "neither": ("unlike both", "care"),
}
_REASONS = {
    "empty": "no structure",
    "invalid_smiles": "not a SMILES",
    "invalid_chemistry": "impossible chemistry",
    "non_ascii": "a character that no SMILES has",
    "inner_whitespace": "a blank inside",
    "not_smiles": "not a SMILES",
    "reaction": "a reaction",
    "query_or_wildcard": "a query or wildcard",
    "out_of_range_atom": "an impossible atom",
    "no_heavy_atoms": "only hydrogen",
    "inorganic": "no carbon",
    "too_large": "too large",
    "timeout": "took too long to read",
    "crashed": "broke the reader",
    "bad_label": "label not usable",
}


def verdict(basis: Basis) -> tuple[str, str, str]:
    """Class of the box, its first words, and what they mean."""
    if basis.verdict is None:
        return _NOT_COMPARED
    return *TONES[basis.verdict.level], basis.verdict.headline


def certainty(one: Ranked) -> tuple[str, str]:
    """The prediction set in words, and the class of its tag."""
    return _SETS.get(one.set or "", ("", ""))


def domain(one: Ranked) -> tuple[str, str]:
    """Whether the model can speak for a compound, in words, and the class of the tag."""
    if one.in_domain is None:
        return "nothing to compare with", "care"
    return domain_of(one.in_domain, one.nearest_similarity or 0.0)


def number(value: float | None) -> str:
    """Three significant digits.

    >>> number(12.3456), number(0.004), number(None), number(-0.0)
    ('12.3', '0.004', '–', '0')
    """
    return "–" if value is None else f"{value + 0.0:.3g}"


def share(value: float) -> str:
    """A chance, which is never quite 0 or 1.

    >>> share(0.123), share(0.9999), share(0.00001)
    ('0.12', '> 0.99', '< 0.01')
    """
    return "> 0.99" if value > 0.99 else "< 0.01" if value < 0.01 else f"{value:.2f}"


def label(basis: Basis, value: float | None) -> str:
    """The label of a labelled compound."""
    if value is None:
        return "–"
    return ("active" if value else "inactive") if basis.kind == "classification" else number(value)


def extent(basis: Basis) -> str:
    """What was learned from."""
    if not basis.compounds:
        return "no labelled compound"
    text = counted(basis.compounds, "labelled compound")
    if basis.actives is not None:
        return f"{text}: {basis.actives} active, {basis.compounds - basis.actives} inactive"
    low, high = basis.span or (None, None)
    return f"{text}: {basis.measured} from {number(low)} to {number(high)}"


def reason(code: str) -> str:
    """A reason code in words."""
    return _REASONS.get(code, code)


words = SimpleNamespace(
    certainty=certainty,
    counted=counted,
    domain=domain,
    extent=extent,
    label=label,
    number=number,
    reason=reason,
    share=share,
    verdict=verdict,
)
