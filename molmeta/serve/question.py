"""What a service is asked: plain values, which pass between processes."""

from __future__ import annotations

from dataclasses import dataclass, field

ACTIVES, INACTIVES, VALUES, CANDIDATES = "actives", "inactives", "measured compounds", "compounds to rank"


@dataclass(frozen=True, slots=True)
class Line:
    """A row of one of the boxes.

    Attributes
    ----------
    number : int
        Of the line in its box, from 1.
    structure, name : str
        As they were given; the name may be "".
    label : str
        What was measured, as text; "" for compounds that are to be ranked.
    """

    number: int
    structure: str
    name: str = ""
    label: str = ""


@dataclass(frozen=True)
class Labelled:
    """Compounds that somebody measured.

    Attributes
    ----------
    boxes : dict of str to tuple of Line
        By what the user calls them; several are one assay.
    name : str
        Of the assay.
    column : str
        What was measured.
    reading : dict of str to str or bool
        Options of `molmeta.data.ledger.Options`, where the labels do not say.
    """

    boxes: dict[str, tuple[Line, ...]]
    name: str
    column: str = "active"
    reading: dict[str, str | bool] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.boxes.values()))


@dataclass(frozen=True)
class Ranking:
    """Which compounds to rank, and what is wanted of them.

    Attributes
    ----------
    candidates : tuple of Line
    prevalence : float or None
        Share of actives that is expected among them; None where it is that of the labelled compounds.
    pictures : int
        How many of the first are to be drawn.
    """

    candidates: tuple[Line, ...]
    prevalence: float | None = None
    pictures: int = 0


@dataclass(frozen=True)
class Adapting:
    """Adapt to labelled compounds, and rank others.

    Attributes
    ----------
    labelled : Labelled
    ranking : Ranking
    verdict : bool
        Whether to compare with simple baselines.
    seed : int
    """

    labelled: Labelled
    ranking: Ranking
    verdict: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Reusing:
    """Rank with a model that is there.

    Attributes
    ----------
    model : str
        Its name in the service.
    ranking : Ranking
    """

    model: str
    ranking: Ranking


Question = Adapting | Reusing
