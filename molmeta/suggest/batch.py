"""Batches: compounds that are picked one after the other, each with regard to those before it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from molmeta.chem.batch import MolBatch, concatenate
from molmeta.chem.similarity import tanimoto
from molmeta.data.episode import Labelled
from molmeta.heads.base import Conditioned
from molmeta.suggest.acquisition import Belief

Condition = Callable[[Labelled], Conditioned]
# Worth float64[m] of what is believed of all candidates, for the pick of a number (from 0).
Worth = Callable[[Belief, int], Tensor]

_ROUNDING = 1e-9  # of a budget: 0.1 + 0.2 is no more than 0.3


@dataclass(frozen=True)
class Pick:
    """A compound that was picked.

    Attributes
    ----------
    index : int
        Position among the candidates.
    worth : float
        Its worth when it was picked; per cost, where worth is divided by it.
    passed : tuple of int
        Positions of candidates that were worth more than it before the first pick, and were passed over.
    """

    index: int
    worth: float
    passed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Prices:
    """What m candidates cost.

    Attributes
    ----------
    each : float64[m]
        Above 0.
    budget : float
        What all picks may cost together.
    """

    each: Tensor
    budget: float = math.inf


@torch.no_grad()
def pick(
    condition: Condition,
    known: Labelled,
    candidates: MolBatch,
    n: int,
    worth: Worth,
    *,
    prices: Prices | None = None,
    alike: float = 1.0,
    hedge: bool = False,
) -> list[Pick]:
    """Picks up to n candidates; fewer where no more are there, or the budget is enough for none of them.

    A batch is made diverse in two ways. Candidates that are more similar than `alike` to a pick wait until
    there are no others. And to hedge, the heads are conditioned on each pick too, with a lie for its label:
    that it fails. So the next one is a compound that is still worth it if this one is not.

    Parameters
    ----------
    condition : callable
        Labelled compounds to a predictor of prepared batches (`Ensemble.condition`).
    known : Labelled
        Prepared (`Ensemble.prepare`).
    candidates : MolBatch
        m compounds, prepared.
    n : int
    worth : callable
    prices : Prices or None
        Worth is divided by the price, and must then be above 0.
    alike : float
        Tanimoto similarity of ECFP4 counts, which the candidates must have where it is below 1.
    hedge : bool

    Source: Jiang et al. 2018, Efficient nonmyopic batch active search (batches by pessimistic simulation);
    Ginsbourger et al. 2010 (constant liar).
    """
    left = torch.ones(len(candidates), dtype=torch.bool, device=candidates.device)
    nearest = torch.zeros(len(candidates), device=candidates.device)  # similarity to the picks
    best, spent = best_of(known), 0.0
    belief = believe(condition, known, candidates, best)
    first: Tensor | None = None
    picked: list[Pick] = []
    while len(picked) < n:
        value = worth(belief, len(picked))
        free = left
        if prices is not None:
            value = value / prices.each
            free = left & (prices.each <= prices.budget * (1 + _ROUNDING) - spent)
        if not free.any():
            break
        first = value if first is None else first
        unlike = free & (nearest <= alike)
        at = int(value.masked_fill(~(unlike if unlike.any() else free), -torch.inf).argmax())
        left[at] = False
        passed = (left & free & (first > first[at])).nonzero().flatten().tolist()
        picked.append(Pick(at, float(value[at]), tuple(passed)))
        spent += 0.0 if prices is None else float(prices.each[at])
        if alike < 1:
            counts = candidates.need("counts")
            nearest = torch.maximum(nearest, tanimoto(counts, counts[at : at + 1])[:, 0])
        if hedge and len(picked) < n and left.any():
            known = _with_lie(known, candidates, at, belief)
            belief = believe(condition, known, candidates, best)
    return picked


def best_of(known: Labelled) -> float:
    """The best value of labelled compounds, where higher is better; nan for classes."""
    if known.target.kind == "classification":
        return math.nan
    return float((known.target.sign * known.y.double()).max())


def believe(condition: Condition, known: Labelled, mols: MolBatch, best: float) -> Belief:
    """What labelled compounds let believe of others, prepared both."""
    return Belief.of(condition(known)(mols), int(known.target.sign), best)


def _with_lie(known: Labelled, candidates: MolBatch, index: int, belief: Belief) -> Labelled:
    """With a candidate that failed: of the other class, or one standard deviation worse than is believed."""
    sign = int(known.target.sign)
    if belief.of_classes:
        lie = 0.0 if sign > 0 else 1.0
    else:
        lie = sign * float(belief.mean[index] - belief.std[index])
    own = candidates.select(torch.tensor([index], device=candidates.device))
    return Labelled(
        concatenate([known.mols, own]),
        torch.cat([known.y, known.y.new_tensor([lie])]),
        torch.cat([known.relation, known.relation.new_zeros(1)]),
        known.target,
    )
