"""Whether probabilities, prediction sets and intervals mean what they say, on assays new to a model.

    python benchmarks/calibration.py DATA_DIR --checkpoint runs/base-dev --out calibration.json

DATA_DIR and the assays are those of `benchmarks/fsmol.py`. Every method goes through what `molmeta adapt`
does after conditioning: Platt scaling, prediction sets and intervals from held-out compounds of the support
set and of earlier assays. For the default head, these are the reserved assays of its training; for the
baselines of `--calibrate`, under "calibrated NAME", those with the role valid_select. Baselines as they are
stand under NAME. With `--prior SHARE`, actives are taken out of the query until they are that share of it,
as they are rarer in a library than among the compounds that were chosen to be measured; "told" are the
probabilities of one who knows that share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from fsmol import FOLDS, scored
from harness import parser, save
from scipy.optimize import brentq
from scipy.special import expit, logit
from torch import Tensor

from molmeta import metrics
from molmeta.calibration import LEVEL, Outcome, calibrate
from molmeta.checkpoint import load_checkpoint
from molmeta.chem.batch import MolBatch
from molmeta.conformity import Conformity, log_odds
from molmeta.crossvalidation import draw_folds, predict_held_out
from molmeta.data.corpus import Corpus
from molmeta.data.episode import Labelled
from molmeta.data.fsmol import read_fsmol
from molmeta.data.protocol import Draw, Rows, sample_draws
from molmeta.encoders.base import Encoder
from molmeta.evaluation import Method, baselines, evaluate, needs_of
from molmeta.heads.base import Conditioned, Head
from molmeta.metrics import Array
from molmeta.prediction import Prediction
from molmeta.summary import STRATA, summarize
from molmeta.training.conformity import conformity_of
from molmeta.units import Kind

STRATUM = "dev + valid_report"
BINS = 15
FEWEST = 10  # exact values in a query
_DRAWN = 20  # sets of labels drawn from the probabilities, for the noise floor
# Draws are summed up assay by assay; of a coverage, also the share of assays in which it is 80 % or more.
CLASSES = (
    *("nll", "nll_told", "brier", "ece", "ece_floor", "ece_excess", "ece_centred"),
    *("coverage_active", "coverage_inactive"),
    *("singletons", "empty", "error_sure", "error_unsure"),
)
VALUES = ("r2_os", "nll_values", "coverage", "width", "rmse_sure", "rmse_unsure")
_COVERAGES = ("coverage_active", "coverage_inactive", "coverage")


def main() -> None:
    made = parser(__doc__ or "")
    made.set_defaults(sizes=[8, 16, 32, 64, 128], draws=2, baselines=["rf", "knn", "gp-tanimoto"])
    made.add_argument("--calibrate", nargs="*", default=["gp-tanimoto"], help="baselines to calibrate too")
    made.add_argument(
        "--prior", type=float, help="share of the query that is active; as it comes, if not given"
    )
    options = made.parse_args()
    draw = sample_draws if options.prior is None else partial(shifted_draws, share=options.prior)
    (checkpoint,) = options.checkpoint
    learner = load_checkpoint(checkpoint)
    name = learner.default_head
    plain = baselines(options.baselines)
    methods = {name: Method(Calibrated(learner.head(name), learner.conformity), learner)} | plain
    needs = needs_of(methods)
    corpora = [
        read_fsmol(options.data / file, needs, options.workers, roles) for file, roles in FOLDS.items()
    ]
    select, corpus = split([scored(one) for one in corpora], options.limit)
    for baseline in options.calibrate:
        method = plain[baseline]
        known = conformity_of(method, select, options.workers)
        methods[f"calibrated {baseline}"] = Method(Calibrated(method.head, known))
    rows: list[pd.DataFrame] = []
    curves: dict[str, Any] = {}
    kinds: dict[Kind, Any] = {
        "classification": (CLASSES, score_classes),
        "regression": (VALUES, score_values),
    }
    if options.prior is not None:
        del kinds["regression"]
    for kind, (names, score) in kinds.items():
        table = pd.concat(
            [
                evaluate(
                    c,
                    methods,
                    options.sizes,
                    options.draws,
                    "fsmol",
                    kind,
                    None,
                    options.workers,
                    draw,
                    score,
                )
                for c in corpus
            ],
            ignore_index=True,
        )
        assays = pd.concat([c.assays for c in corpus])
        found = [summarize(table, assays, metric).assign(metric=metric, kind=kind) for metric in names]
        rows += [part[part["stratum"] == STRATUM] for part in found]
        rows.append(often(table, assays, kind))
        if kind == "classification":
            pooled, curves = reliability(table, "p", "ece_pooled")
            told, _ = reliability(table, "told", "ece_pooled_told")
            rows += [pooled, told]
    means = pd.concat(rows, ignore_index=True)
    for (kind, metric), part in means.groupby(["kind", "metric"], sort=False):
        print(
            f"\n{kind}: {metric}\n", part.pivot_table("mean", "method", "k", sort=False).round(3).to_string()
        )
    if options.out:
        save(options.out, {"means": means.to_dict("records"), "curves": curves})


def split(corpora: Sequence[Corpus], limit: int | None) -> tuple[Corpus, list[Corpus]]:
    """The assays on which choices were made, and those to report on."""
    folds = [(c, c.assays["role"].eq("valid_select")) for c in corpora]
    (select,) = [c.select(list(c.assays.index[chosen])) for c, chosen in folds if chosen.any()]
    reported = [STRATA[STRATUM](c.assays) for c in corpora]
    return select, [c.select(list(c.assays.index[r][:limit])) for c, r in zip(corpora, reported, strict=True)]


def shifted_draws(rows: Rows, k: int, n: int, share: float) -> Iterator[Draw]:
    """The usual draws, with as many actives left in the query as make that share of it; at least one."""
    for draw in sample_draws(rows, k, n):
        active = rows.y[draw.query] > 0.5
        left = max(1, round(share / (1 - share) * int((~active).sum())))
        if left <= int(active.sum()):
            chosen = np.random.default_rng(draw.seed).permutation(draw.query[active])[:left]
            yield Draw(draw.seed, draw.support, np.sort(np.concatenate([draw.query[~active], chosen])))


@dataclass(frozen=True, eq=False)
class Judged(Prediction):
    """A prediction with its calibrated outcome."""

    raw: Prediction
    outcome: Outcome

    @property
    def probability(self) -> Tensor:
        return self.raw.probability

    def log_prob(self, y: Tensor) -> Tensor:
        return self.raw.log_prob(y)

    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        return self.raw.interval(level)


class Calibrated(Head):
    """A head with the calibration of `molmeta.adapt`."""

    kinds = frozenset({"classification", "regression"})

    def __init__(self, head: Head, conformity: Conformity) -> None:
        super().__init__()
        self.head, self.conformity, self.needs = head, conformity, head.needs

    def condition(self, encoder: Encoder, support: Labelled) -> Conditioned:
        def method(part: Labelled) -> Conditioned:
            return self.head.condition(encoder, part)

        folds = draw_folds(support, 0)
        held_out = predict_held_out(method, support, folds) if folds else None
        calibration, predict = calibrate(held_out, support, self.conformity), method(support)

        def judge(mols: MolBatch) -> Prediction:
            raw = predict(mols)
            return Judged(raw.mean, raw.std, raw, calibration.apply(raw))

        return judge


def score_classes(support: Rows, query: Rows, prediction: Prediction) -> dict[str, Any]:
    """Of readable compounds; a prediction that was not calibrated has no sets."""
    y = (query.y > 0.5).astype(np.float64)[query.readable]
    outcome = prediction.outcome if isinstance(prediction, Judged) else None
    p = prediction.probability.double().numpy() if outcome is None else outcome.value
    rng = np.random.default_rng(0)
    calibrated, floor = metrics.ece(y, p), noise_floor(p, rng)
    centre = centred(p, float(y.mean()))
    told = expit(logit(np.clip(p, 1e-12, 1 - 1e-12)) + log_odds(y) - log_odds(support.y))
    wrong, sure = (p >= 0.5) != (y > 0.5), np.argsort(-np.abs(p - 0.5), kind="stable")
    half = len(y) // 2
    found = {
        "nll": metrics.log_loss(y, p),
        "brier": metrics.brier(y, p),
        "ece": calibrated,
        "ece_floor": floor,
        "ece_excess": calibrated - floor,
        "ece_centred": metrics.ece(y, centre) - noise_floor(centre, rng),
        "nll_told": metrics.log_loss(y, told),
        "error_sure": float(wrong[sure[:half]].mean()),
        "error_unsure": float(wrong[sure[half:]].mean()),
        "y": y,
        "p": p,
        "told": told,
    }
    if outcome is not None:
        active, inactive = outcome.maybe_active, outcome.maybe_inactive
        found |= {
            "coverage_active": share(active[y > 0.5]),
            "coverage_inactive": share(inactive[y < 0.5]),
            "singletons": share(active ^ inactive),
            "empty": share(~active & ~inactive),
        }
    return found


def noise_floor(p: Array, rng: np.random.Generator) -> float:
    """Calibration error of labels drawn from the probabilities: what a perfect model would have."""
    drawn = [(rng.random(len(p)) < p).astype(np.float64) for _ in range(_DRAWN)]
    return float(np.mean([metrics.ece(y, p) for y in drawn]))


def centred(p: Array, share: float) -> Array:
    """Probabilities moved by one log-odds so that their mean is `share`."""
    score = logit(np.clip(p, 1e-12, 1 - 1e-12))
    return np.asarray(expit(score + brentq(lambda by: expit(score + by).mean() - share, -60, 60)))


def score_values(support: Rows, query: Rows, prediction: Prediction) -> dict[str, float]:
    """Of readable compounds with exact values, in units of their standard deviation; nan where hardly any
    values are exact, or all the same."""
    exact = query.readable & (query.relation == 0)
    if exact.sum() < FEWEST or query.y[exact].std() < 0.01:
        return dict.fromkeys(VALUES, float("nan"))
    chosen, unit = exact[query.readable], float(query.y[exact].std())
    y, centre = query.y[exact].astype(np.float64), float(support.y.mean(dtype=np.float64))
    if isinstance(prediction, Judged):
        outcome = prediction.outcome
        mean, std, low, high = (x[chosen] for x in (outcome.value, outcome.std, outcome.low, outcome.high))
    else:
        bounds = prediction.interval(LEVEL)
        mean, std, low, high = (
            x.double().numpy()[chosen] for x in (prediction.mean, prediction.std, *bounds)
        )
    sure, half = np.argsort(std, kind="stable"), len(y) // 2
    return {
        "r2_os": metrics.r2_os(y, mean, centre),
        "nll_values": float(
            np.mean(0.5 * ((y - mean) / std) ** 2 + np.log(std / unit) + 0.5 * np.log(2 * np.pi))
        ),
        "coverage": metrics.coverage(y, low, high),
        "width": metrics.width(low, high) / unit,
        "rmse_sure": metrics.rmse(y[sure[:half]], mean[sure[:half]]) / unit,
        "rmse_unsure": metrics.rmse(y[sure[half:]], mean[sure[half:]]) / unit,
    }


def often(table: pd.DataFrame, assays: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Share of the assays in which a coverage, averaged over the draws, is 80 % or more."""
    rows = []
    for metric in (name for name in _COVERAGES if name in table):
        each = table.groupby(["method", "k", "assay"], sort=False)[metric].mean().dropna()
        good = (each >= 0.8).groupby(["method", "k"], sort=False)
        rows.append(pd.DataFrame({"mean": good.mean(), "n": good.size()}).reset_index())
        rows[-1] = rows[-1].assign(metric=f"{metric}_often", kind=kind, stratum=STRATUM)
    return pd.concat(rows, ignore_index=True)


def reliability(table: pd.DataFrame, column: str, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Expected calibration error of the probabilities in a column over all compounds of all assays, under the
    name of a metric, and the curve behind it."""
    rows, curves = [], {}
    for (method, k), part in table.groupby(["method", "k"], sort=False):
        y, p = (np.concatenate(part[values].to_list()) for values in ("y", column))
        rows.append({"method": method, "k": k, "mean": metrics.ece(y, p, BINS), "n": part["assay"].nunique()})
        bins = np.array_split(np.argsort(p, kind="stable"), BINS)
        curves[f"{method} {k}"] = [[float(p[b].mean()), float(y[b].mean()), len(b)] for b in bins]
    pooled = pd.DataFrame(rows).assign(metric=name, kind="classification", stratum=STRATUM)
    return pooled, curves


def share(hits: Array) -> float:
    return float(np.mean(hits)) if len(hits) else float("nan")


if __name__ == "__main__":
    main()
