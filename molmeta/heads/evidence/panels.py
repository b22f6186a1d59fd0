"""Panels: sets of compounds that many earlier assays measured, and how they went together there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from molmeta.chem.batch import MolBatch
from molmeta.data.history import History, Panel
from molmeta.heads.evidence.lookup import Table, ascends, find

_ROUNDS = 30
_PSEUDO = 4.0  # assays in which a compound is average, and has an average variance
# Least own variance of a compound, of the average variance: as many factors as assays would leave nothing.
_LEAST = 1e-4
_NOTHING = 1e-12  # the variance where all assays say the same of all compounds
# A panel is of use to a support set of which it holds at least this share.
_SHARE = 0.3


class Panels(Table):
    """Sets of compounds that many assays measured: of each a mean and a covariance over those assays.

    Labels of panel p are N(mean, F F^T + diag(own)), a factor analysis: the mean says what a compound
    mostly is, the factors F which compounds go together, and `own` how much of a compound is nobody
    else's. Covariances are scaled to 1 on average.

    Parameters
    ----------
    rank : int
        Number of factors.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.register_buffer("panel", torch.zeros(0, dtype=torch.long))
        self.register_buffer("key", torch.zeros(0, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(0))
        self.register_buffer("own", torch.zeros(0))
        self.register_buffer("factor", torch.zeros(0, rank))

    def fault(self) -> str | None:
        sizes = {name: len(buffer) for name, buffer in self.named_buffers(recurse=False)}
        if len(set(sizes.values())) > 1:
            return f"its columns differ in length: {sizes}"
        panel, key = self.get_buffer("panel"), self.get_buffer("key")
        starts = panel[1:] != panel[:-1]
        if not ascends(panel) or not bool((starts | (key[1:] >= key[:-1])).all()):
            return "its panels or compounds are out of order"
        return None

    @property
    def rank(self) -> int:
        return int(self.get_buffer("factor").shape[1])

    def learn(self, history: History) -> None:
        """Factor analyses of all panels of a history."""
        parts = []
        for number, panel in enumerate(history.panels()):
            key, order = torch.from_numpy(panel.identity).sort()
            mean, factor, own = analyse(panel, self.rank)
            numbers = torch.full_like(key, number)
            parts.append((numbers, key, mean[order], own[order], factor[order]))
        if parts:
            columns = [torch.cat(column) for column in zip(*parts, strict=True)]
            self.fill(**dict(zip(("panel", "key", "mean", "own", "factor"), columns, strict=True)))

    def extend(self, history: History) -> None:
        """Adds the panels of a history to those that are known, which stay as they are.

        Of an earlier panel only the analysis is stored, not its labels: new assays of it are no part of it.
        """
        new, names = Panels(self.rank), ("key", "mean", "own", "factor")
        new.learn(history)
        before = self.get_buffer("panel").cpu()
        numbers = new.get_buffer("panel") + (int(before.max()) + 1 if len(before) else 0)
        rows = {name: torch.cat([self.get_buffer(name).cpu(), new.get_buffer(name)]) for name in names}
        self.fill(panel=torch.cat([before, numbers]), **rows)

    def coverage(self, identity: Tensor) -> float:
        """Share of the compounds int64[n] that are in a panel."""
        key = self.get_buffer("key")
        return float(torch.isin(identity.to(key.device), key).double().mean())

    def relevant(self, identity: Tensor) -> list[Remembered]:
        """The panels that hold a good part of the support set `identity` int64[n]."""
        # Not a range: a number in a file may be as large as it likes.
        numbers = torch.unique(self.get_buffer("panel")).tolist()
        at = {number: self.at(number, identity) for number in numbers}
        return [Remembered(self, p, rows) for p, rows in at.items() if (rows >= 0).double().mean() >= _SHARE]

    def at(self, number: int, identity: Tensor) -> Tensor:
        """int64[n]: rows of the buffers for the compounds in a panel, -1 for those that are not in it."""
        (rows,) = torch.nonzero(self.get_buffer("panel") == number, as_tuple=True)
        at = find(self.get_buffer("key")[rows], identity)
        return torch.where(at >= 0, at + rows[0], -1)

    def average(self, at: Tensor) -> Tensor:
        """float64[n]: mean label of the compounds at rows `at`, 0 where it is -1."""
        return torch.where(at >= 0, self.get_buffer("mean")[at].double(), 0.0)

    def covariance(self, a: Tensor, b: Tensor) -> Tensor:
        """float64[n, m] between the compounds at rows a and at rows b; those outside covary with none."""
        left, right = (self._factors(at) for at in (a, b))
        same = (a[:, None] == b[None]) & (a[:, None] >= 0)
        own = self.get_buffer("own")[a.clamp(min=0)].double()
        return left @ right.T + same * own[:, None]

    def variance(self, at: Tensor) -> Tensor:
        """float64[n]: of the compounds at rows `at`; 1 for one outside the panel."""
        inside = self._factors(at).square().sum(1) + self.get_buffer("own")[at].double()
        return torch.where(at >= 0, inside, 1.0)

    def _factors(self, at: Tensor) -> Tensor:
        return self.get_buffer("factor")[at.clamp(min=0)].double() * (at >= 0)[:, None]


@dataclass(frozen=True, eq=False)
class Remembered:
    """One panel, as it is of use to a support set of n compounds.

    Attributes
    ----------
    table : Panels
    number : int
        Of the panel.
    rows : int64[n]
        Where the support set is in the table; -1 for a compound that is not in the panel.
    """

    table: Panels
    number: int
    rows: Tensor

    def covariance(self, mols: MolBatch) -> Tensor:
        """float64[m, n]: of m compounds with the support set."""
        return self.table.covariance(self._at(mols), self.rows)

    def variance(self, mols: MolBatch) -> Tensor:
        """float64[m]"""
        return self.table.variance(self._at(mols))

    def average(self, mols: MolBatch) -> Tensor:
        """float64[m]: mean labels."""
        return self.table.average(self._at(mols))

    def _at(self, mols: MolBatch) -> Tensor:
        return self.table.at(self.number, mols.need("identity"))


def analyse(panel: Panel, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean float64[m], factors float64[m, rank] and own variance float64[m] of the labels of a panel.

    Expectation maximization with missing labels. Factors have a unit normal prior, and `_PSEUDO` assays
    are added in which a compound has its prior mean 0 and the average own variance; the covariance is
    scaled to 1 on average.

    Source: Rubin and Thayer 1982 (factor analysis by EM).
    """
    label = torch.from_numpy(panel.label)
    known = label.isfinite().double()
    y = torch.nan_to_num(label, nan=0.0)
    count = known.sum(0)
    mean = y.sum(0) / (count + _PSEUDO)
    left = (y - mean) * known
    variance = max(float(left.square().sum() / known.sum()), _NOTHING)
    own = torch.full_like(mean, variance / 2)
    # Start from the principal axes of what is known.
    _, size, axes = torch.linalg.svd(left, full_matrices=False)
    r = min(rank, len(size))
    factor = torch.zeros(len(mean), rank, dtype=torch.float64)
    factor[:, :r] = axes[:r].T * size[:r] / len(y) ** 0.5
    eye = torch.eye(rank, dtype=torch.float64)
    for _ in range(_ROUNDS):
        # Scores of the assays, float64[a, r], and their second moments.
        weighed = known / own
        precision = eye + torch.einsum("am,mr,ms->ars", weighed, factor, factor)
        spread = torch.linalg.inv(precision)
        score = torch.einsum("ars,as->ar", spread, (left * weighed) @ factor)
        moment = score[:, :, None] * score[:, None] + spread
        # Factors of the compounds, and what they leave.
        gram = torch.einsum("am,ars->mrs", known, moment) + own[:, None, None] * eye
        factor = torch.linalg.solve(gram, left.T @ score)
        error = left.square().sum(0) - 2 * (factor * (left.T @ score)).sum(1)
        error += torch.einsum("am,ars,mr,ms->m", known, moment, factor, factor)
        own = (error + _PSEUDO * error.sum() / count.sum()) / (count + _PSEUDO)
        own = own.clamp(min=_LEAST * variance)
    scale = (factor.square().sum(1) + own).mean()
    return mean, factor / scale.sqrt(), own / scale
