"""Mutated SMILES: what is nearly a structure, for the tests and `benchmarks/fuzz.py`.

Every kind of mutation is a function of a generator of random numbers and of the SMILES to start from, so
that a seed gives the same texts on every machine, and Hypothesis, which can be such a generator, shrinks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

_TOKEN = re.compile(r"\[[^\]]*\]|Cl|Br|%\(\d+\)|%\d\d|.", re.DOTALL)
_RING = re.compile(r"%\d\d|\d")
_CHARACTERS = [*"CNOcnosPSFBHIlr[]()=#@+-\\/%.0123456789:*~$> |", "[PH]", "[2H]", "(=O)", "[nH]", "->"]
_ELEMENTS = [
    *"CCNOSPcnosFIBHKUbp*", "Cl", "Br", "Si", "Se", "se", "As", "Te", "te", "Na", "Zn", "Fe", "Pt", "Hg",
]  # fmt: skip
_FOREIGN = [
    *"éСО’−😀Ｃ\u200b\u202e\ufeff\xa0\u0301\u2028\udc80\t\n\r\x00\x7f |{$", "\x1b[31m", "  ", " |r|", ">>",
    "<script>", "R1", "\\n",
]  # fmt: skip
_PARTNERS = [
    "Cl", "Br", "[Na+]", "[K+]", "[Cl-]", "[Br-]", "[I-]", "O.O", "OC(=O)C(F)(F)F", "CS(=O)(=O)O", "[Ca+2]",
    "OC(=O)CCC(=O)O", "[NH4+]", "C[N+](C)(C)CCO", "F[P-](F)(F)(F)(F)F", "OS(=O)(=O)O", "[Zn+2]", "[Pt]",
    "[O-]Cl(=O)(=O)=O", "CN(C)C=O", "OC(=O)/C=C/C(=O)O",
]  # fmt: skip
_GROUPS = [
    *"CNO", "(C)", "(F)", "(=O)", "(O)", "(N)", "([O-])", "=C", "#N", "=N", "[N+](=O)[O-]", "(C(=O)O)", ".C",
    ".Cl", "[C@H](C)", "(->O)", "S(=O)", "([Na])",
]  # fmt: skip
_ALIKE = {
    "C": [*"CNOSPB", "[Si]"],
    "c": [*"cn", "[n+]", "[cH-]"],
    "N": [*"CNOP", "[N+]", "[NH3+]"],
    "n": [*"cnos"],
}
_UNITS = [
    *"C([1", "CC", "C(C)", "C(=O)N", "c1ccccc1", "C1CC1", "N(C)C", "[C@H](O)", "[C@@](F)(Cl)", "/C=C/",
    "C=C(C)", "S(=O)", "S(=O)(=O)", "[n+]", "N=[N+]=[N-]", "P(=O)(O)O", "[Si](C)(C)O", "C#C", "C(=O)[O-]",
    "[NH3+]", "[Na+].", "C1CCC2CCCCC2C1", "C(", "%10", "C1", "c1c2", "N(=O)=O", "[13CH2]", "[B]", "B(O)",
]  # fmt: skip
_MOST = 2300  # characters of an amplified text: some more than are read

Seeds = Sequence[str]


def characters(draws: Random, seeds: Seeds) -> str:
    """Characters replaced, dropped, doubled or put in."""
    text = draws.choice(seeds)
    for _ in range(draws.randint(1, 8)):
        at, width = draws.randint(0, len(text)), draws.randint(0, 2)
        piece = draws.choice([draws.choice(_CHARACTERS), "", text[at : at + width] * 2])
        text = text[:at] + piece + text[at + width :]
    return text


def tokens(draws: Random, seeds: Seeds) -> str:
    """Atoms, bonds and brackets exchanged for those of another structure, or with one another."""
    text, other = cut(draws.choice(seeds)), cut(draws.choice(seeds)) or ["C"]
    for _ in range(draws.randint(1, 5)):
        at, to = draws.randint(0, len(text)), draws.randint(0, len(text))
        if draws.random() < 0.3 and at < to:
            text[at:to] = reversed(text[at:to])
        else:
            text[at : at + draws.randint(0, 1)] = [draws.choice(other)]
    return "".join(text)


def groups(draws: Random, seeds: Seeds) -> str:
    """Substituents put in and atoms exchanged, as a chemist might: much of it can be read."""
    text = cut(draws.choice(seeds))
    for _ in range(draws.randint(1, 4)):
        at = draws.randint(0, max(0, len(text) - 1))
        if draws.random() < 0.5 and text[at : at + 1] and text[at] in _ALIKE:
            text[at] = draws.choice(_ALIKE[text[at]])
        else:
            text.insert(at + 1, draws.choice(_GROUPS))
    return "".join(text)


def splice(draws: Random, seeds: Seeds) -> str:
    """A stretch of one structure in another, as a branch or bare."""
    text, other = cut(draws.choice(seeds)), cut(draws.choice(seeds))
    at, start = draws.randint(0, len(text)), draws.randint(0, len(other))
    piece = other[start : start + draws.randint(1, 20)]
    return "".join([*text[:at], *draws.choice([piece, ["(", *piece, ")"]]), *text[at:]])


def crossover(draws: Random, seeds: Seeds) -> str:
    """The head of one structure and the tail of another."""
    text, other = cut(draws.choice(seeds)), cut(draws.choice(seeds))
    return "".join(text[: draws.randint(0, len(text))] + other[draws.randint(0, len(other)) :])


def rings(draws: Random, seeds: Seeds) -> str:
    """Ring labels renumbered, exchanged, and some more."""
    text = cut(draws.choice(seeds))
    if draws.random() < 0.5:
        text = [
            draws.choice("123456789") if _RING.fullmatch(one) and draws.random() < 0.3 else one
            for one in text
        ]
    for label in draws.sample(
        ["7", "8", "9", "%11", "%99", "%(12)", "%(100)", "%(99999)"], draws.randint(1, 3)
    ):
        for _ in range(draws.choice([1, 2, 2, 2])):
            text.insert(draws.randint(1, max(1, len(text))), label)
    return "".join(text)


def brackets(draws: Random, seeds: Seeds) -> str:
    """Atoms with other isotopes, elements, marks, hydrogens, charges and numbers."""
    text = cut(draws.choice(seeds))
    places = [i for i, one in enumerate(text) if one[0].isalpha() or one[0] == "["]
    for at in draws.sample(places, min(len(places), draws.randint(1, 4))):
        number = draws.choice([1, 2, 3, 9, 15, 16, 99, 300, 301, 70_000, 10**12])
        text[at] = "[{}{}{}{}{}{}]".format(
            draws.choice(["", "", "", "2", "13", str(number), "#"]),
            draws.choice(_ELEMENTS),
            draws.choice(["", "", "@", "@@", "@TH1", "@SP2", "@AL1", "@OH25"]),
            draws.choice(["", "H", "H2", "H3", f"H{number}"]),
            draws.choice(["", "", "+", "-", "++", "+2", "-3", f"+{number}"]),
            draws.choice(["", "", "", ":1", f":{number}"]),
        )
    return "".join(text)


def stereo(draws: Random, seeds: Seeds) -> str:
    """Marks of stereochemistry put in, turned over and taken away, where they have sense or none."""
    text = cut(draws.choice(seeds))
    for _ in range(draws.randint(1, 6)):
        at = draws.randint(0, max(0, len(text) - 1))
        if text[at : at + 1] in (["C"], ["[C@H]"], ["[C@@H]"], ["N"], ["S"], ["P"]):
            text[at] = draws.choice(
                ["[C@H]", "[C@@H]", "[C@]", "[C@@]", "[S@]", "[P@@]", "[N@+]", "[Si@H]", "C"]
            )
        else:
            text.insert(at, draws.choice(["/", "\\", "/C=C/", "/C=C\\", "/N=", "=C=", "=N\\"]))
    return "".join(text)


def salts(draws: Random, seeds: Seeds) -> str:
    """Several structures, counterions and solvents in one."""
    parts = [draws.choice(seeds), *draws.choices(_PARTNERS, k=draws.randint(1, 4))]
    parts += draws.sample(parts, draws.randint(0, 1)) + [draws.choice(seeds)] * draws.randint(0, 1)
    draws.shuffle(parts)
    return draws.choice([".", ".", ".", "", "->"]).join(parts)


def foreign(draws: Random, seeds: Seeds) -> str:
    """Characters that no SMILES holds."""
    text = draws.choice(seeds)
    for _ in range(draws.randint(1, 2)):
        at = draws.randint(0, len(text))
        text = text[:at] + draws.choice(_FOREIGN) + text[at:]
    return text


def amplified(draws: Random, seeds: Seeds) -> str:
    """Something repeated until it is near the limits of what is read, or over them."""
    text = cut(draws.choice(seeds))
    start = draws.randint(0, len(text))
    unit = draws.choice([draws.choice(_UNITS), "".join(text[start : start + draws.randint(1, 12)]) or "C"])
    times = round((_MOST / len(unit)) ** draws.random())
    at = draws.randint(0, len(text))
    return (
        "".join(text[:at])
        + unit * times
        + draws.choice(["".join(text[at:]), "", ")" * unit.count("(") * times])
    )


KINDS: dict[str, tuple[float, Callable[[Random, Seeds], str]]] = {
    "characters": (3, characters),
    "tokens": (2, tokens),
    "groups": (4, groups),
    "splice": (2, splice),
    "crossover": (2, crossover),
    "rings": (2, rings),
    "brackets": (2, brackets),
    "stereo": (2, stereo),
    "salts": (1.5, salts),
    "foreign": (1, foreign),
    "amplified": (0.5, amplified),
}
"""Kinds of mutation by name, with how often each is drawn."""


def mutant(draws: Random, seeds: Seeds) -> str:
    """A mutated structure; one in five of them twice.

    Parameters
    ----------
    draws : Random
    seeds : sequence of str
        SMILES to start from; none is empty.
    """
    weights, functions = zip(*KINDS.values(), strict=True)
    first, second = draws.choices(functions, weights, k=2)
    text: str = first(draws, seeds)
    return second(draws, [text]) if text and draws.random() < 0.2 else text


def cut(text: str) -> list[str]:
    """The tokens of a SMILES; a character that belongs to none is one."""
    return _TOKEN.findall(text)
