"""Words and signs of label cells: what says active or inactive, above or below, or nothing at all."""

from __future__ import annotations

from string import ascii_lowercase

_UNDECIDED = (
    "inconclusive unspecified undetermined equivocal indeterminate ambiguous - -- --- . .. … ? "
    "nan -nan na n/a n.a n.a. <na> #n/a none null (null) \\n nil nat missing (blank) nd n.d. n.d nt n.t. "
    "n.b. tbd pending unklar"
)
_MISSING = (
    "not determined,not tested,not measured,not available,not applicable,no data,#n/a n/a,"
    "nicht bestimmt,nicht getestet,nicht gemessen,non testé,non déterminé"
)
# English first; what other languages say in Latin script is close enough to leave no doubt.
_ACTIVE = (
    "active actives act true t yes y positive pos hit + toxic blocker binder inhibitor "
    "aktiv wirksam positiv ja toxisch actif activo"
)
_INACTIVE = (
    "inactive inactives inact false f no n negative neg decoy nontoxic nonblocker nonbinder noninhibitor "
    "inaktiv unwirksam negativ nein inactif inactivo"
)
_NOT = "not active,non-active,non-toxic,non-hit,non-blocker,non-binder,non-inhibitor,nicht aktiv"

# Stata has 26 kinds of missing values, .a to .z.
BLANK = frozenset(
    ["", *(f".{letter}" for letter in ascii_lowercase), *_MISSING.split(","), *_UNDECIDED.split()]
)
CLASSES = {
    **dict.fromkeys(_ACTIVE.split(), 1.0),
    **dict.fromkeys([*_INACTIVE.split(), *_NOT.split(",")], 0.0),
}
ABOUT = frozenset(["~", "≈", "ca", "ca.", "circa", "about", "approx", "approx."])
RELATIONS = {
    **dict.fromkeys([">", ">=", "=>", "≥", ">>", "more than", "greater than"], 1),
    **dict.fromkeys(["<", "<=", "=<", "≤", "<<", "less than"], -1),
    **dict.fromkeys(["", "=", "==", *ABOUT], 0),
}
# What only columns of signs say.
_SPELLED = {
    **dict.fromkeys(["gt", "ge", "gte"], 1),
    **dict.fromkeys(["lt", "le", "lte"], -1),
    **dict.fromkeys(["eq", "equal", "equals", "exact", "~=", "=~"], 0),
    **dict.fromkeys(BLANK, 0),
}


def relation_of(text: str) -> int | None:
    """The sign -1, 0, +1 of a cell of a column of signs, such as ">", "'='" or "LT"; None where it is none.

    >>> relation_of("'>'"), relation_of("less than"), relation_of("NaN"), relation_of("foo")
    (1, -1, 0, None)
    """
    word = text.strip().strip("'\"").strip().lower().translate(TYPED)
    return RELATIONS.get(word, _SPELLED.get(word))


# What looks alike and stands on different keys: dashes, wide forms of Chinese and Japanese keyboards, blanks
# that group thousands, signs.
TYPED = (
    {0xFF01 + i: 0x21 + i for i in range(94)}
    | dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\u207b"), "-")
    | dict.fromkeys(map(ord, "\u00a0\u2007\u2008\u2009\u202f\u3000"), " ")
    | dict.fromkeys(map(ord, "’´′"), "'")
    | {ord("⩾"): "≥", ord("≧"): "≥", ord("⩽"): "≤", ord("≦"): "≤", ord("\ufeff"): None}
)
