"""What to measure next: assays are replayed, and what each way of choosing finds is counted.

    python benchmarks/suggest.py DATA_DIR --checkpoint runs/base-dev --draws 3 --out suggest.json

DATA_DIR is the folder of FS-Mol tables. Of each development assay with `--fewest` compounds or more, 16 at
random, of both classes, are measured at the start; then a policy picks 16 of the others, is told their
labels, and so on for 5 rounds. Counted are the actives that were found, and the compounds among the best
tenth of the assay by value where it has values, without those of the start. With `--values` all policies
are told values in place of classes, on the assays of potencies.

Policies: `random`; `similarity` to the nearest active; what is fitted to the assay alone, greedily by its
mean (`rf`, a random forest; `gp`, a Gaussian process with the Tanimoto kernel) and by its mean plus a
standard deviation (`rf-ucb`, over its trees; `gp-ucb`); each acquisition of molmeta, with `-alone` for
batches in which compounds may be alike, so that `greedy-alone` is the plain ranking by the same model, and
with `-hedged` for batches in which each pick counts on the failure of those before it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from harness import save, seconds
from numpy.typing import NDArray

from molmeta.checkpoint import load_checkpoint
from molmeta.chem.batch import MolBatch
from molmeta.chem.similarity import tanimoto
from molmeta.data.corpus import Corpus
from molmeta.data.episode import Labelled
from molmeta.data.fsmol import read_fsmol
from molmeta.data.protocol import Rows, clean, measured
from molmeta.ensemble import Ensemble, open_ensemble
from molmeta.heads import build_head
from molmeta.suggest.acquisition import ACQUISITIONS, DEFAULT, Belief, noise_of
from molmeta.suggest.batch import pick
from molmeta.suggest.run import ALIKE

ALONE, HEDGED = "-alone", "-hedged"
RIVALS = ("random", "similarity", "rf", "rf-ucb", "gp", "gp-ucb", f"greedy{ALONE}")
TREES = 100
BEST = 0.1


@dataclass(frozen=True, eq=False)
class Pool:
    """An assay whose labels are known to us, and not to the policies.

    Attributes
    ----------
    rows : Rows
        n compounds: what the policies are told.
    active, top : bool[n]
        What is counted; top is all false where the assay has no values.
    mols : MolBatch
        Of the n compounds, prepared.
    ensemble : Ensemble
    """

    rows: Rows
    active: NDArray[np.bool_]
    top: NDArray[np.bool_]
    mols: MolBatch
    ensemble: Ensemble

    def labelled(self, known: Sequence[int]) -> Labelled:
        at = torch.tensor(known)
        y, relation = torch.from_numpy(self.rows.y)[at], torch.from_numpy(self.rows.relation)[at]
        return Labelled(self.mols.select(at), y, relation, self.rows.target)


# Of a pool of which some are known, n positions among the others `left` int64[m] to measure next; the last
# number is the seed of the round.
Policy = Callable[[Pool, Sequence[int], NDArray[np.int64], int, int], Sequence[int]]


def main() -> None:
    options = parse()
    started = time.perf_counter()
    policies = {name: find_policy(name) for name in options.policies}
    learner = load_checkpoint(options.checkpoint)
    kind = "regression" if options.values else "classification"
    ensemble = open_ensemble(learner, kind)
    corpus = read_fsmol(options.data / "train.csv.gz", ensemble.needs | {"counts"}, options.workers, ("dev",))
    names = [
        name for name in corpus.assays.index if len(clean(measured(corpus, name, kind))) >= options.fewest
    ]
    names = names[: options.limit]
    print(f"{len(names)} assays of {options.fewest} compounds or more, {seconds(started)}", flush=True)
    records = []
    for done, name in enumerate(names, start=1):
        pool = open_pool(corpus, name, kind, ensemble)
        for seed in range(options.draws):
            start = draw(pool, options.start, seed)
            for policy in policies:
                record = {"assay": name, "seed": seed, "policy": policy, "compounds": len(pool.rows)}
                records.append(record | replay(pool, policies[policy], start, options, seed))
        print(f"\r{done}/{len(names)} assays, {seconds(started)}", end="", file=sys.stderr, flush=True)
        if options.out:
            pd.DataFrame(records).to_csv(options.out.with_suffix(".csv"), index=False)
    print(file=sys.stderr)
    report(pd.DataFrame(records), options)


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--checkpoint", required=True)
    made.add_argument("--policies", nargs="+", default=[*RIVALS, DEFAULT])
    made.add_argument("--against", nargs="+", default=list(RIVALS), help="with whom the others are compared")
    made.add_argument("--draws", type=int, default=3, help="starts of each assay")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--picks", type=int, default=16, help="of each round")
    made.add_argument("--start", type=int, default=16, help="compounds that are measured at the start")
    made.add_argument("--fewest", type=int, default=192, help="compounds that an assay must have")
    made.add_argument("--values", action="store_true", help="values in place of classes")
    made.add_argument("--limit", type=int, help="only the first so many assays")
    made.add_argument("--workers", type=int, default=1, help="processes that read structures")
    made.add_argument("--out", type=Path, help="JSON; the replays go to a .csv of the same name")
    return made.parse_args()


def open_pool(corpus: Corpus, name: str, kind: str, ensemble: Ensemble) -> Pool:
    """An assay, each compound once."""
    classes, values = (clean(measured(corpus, name, one)) for one in ("classification", "regression"))
    rows = classes if kind == "classification" else values
    active = set(classes.mol[classes.y > 0.5].tolist())
    best = values.mol[np.argsort(-values.y, kind="stable")[: round(BEST * len(values))]]
    return Pool(
        rows=rows,
        active=np.array([one in active for one in rows.mol.tolist()]),
        top=np.isin(rows.mol, best),
        mols=ensemble.prepare(corpus.mols.select(torch.from_numpy(rows.mol))),
        ensemble=ensemble,
    )


def draw(pool: Pool, size: int, seed: int) -> list[int]:
    """What is measured at the start: at random, but of both classes."""
    rng = np.random.default_rng(seed)
    while True:
        start = rng.permutation(len(pool.rows))[:size]
        if 0 < pool.active[start].sum() < size:
            return [int(i) for i in start]


def replay(
    pool: Pool, policy: Policy, start: list[int], options: argparse.Namespace, seed: int
) -> dict[str, float]:
    """What a policy finds, round by round."""
    known, found = list(start), {}
    began = time.perf_counter()
    for number in range(1, options.rounds + 1):
        left = np.setdiff1d(np.arange(len(pool.rows)), known)
        chosen = policy(pool, known, left, min(options.picks, len(left)), 1000 * seed + number)
        known += [int(left[i]) for i in chosen]
        found[f"actives_{number}"] = float(pool.active[known[len(start) :]].sum())
    found["top"] = float(pool.top[known[len(start) :]].sum()) if pool.top.any() else float("nan")
    found["seconds_a_round"] = (time.perf_counter() - began) / options.rounds
    return found


def at_random(pool: Pool, known: Sequence[int], left: NDArray[np.int64], n: int, seed: int) -> Sequence[int]:
    return np.random.default_rng(seed).permutation(len(left))[:n].tolist()


def similarity(pool: Pool, known: Sequence[int], left: NDArray[np.int64], n: int, seed: int) -> Sequence[int]:
    counts = pool.mols.need("counts")
    actives = [i for i in known if pool.active[i]]
    return _best(tanimoto(counts[torch.from_numpy(left)], counts[actives]).max(1).values.numpy(), n)


def forest(
    pool: Pool, known: Sequence[int], left: NDArray[np.int64], n: int, seed: int, beta: float
) -> Sequence[int]:
    """Mean plus beta standard deviations over the trees of a random forest on ECFP4 counts."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    x, y = pool.mols.need("counts").numpy().astype(np.float32), pool.rows.y[known]
    if pool.rows.target.kind == "classification":
        trees = RandomForestClassifier(TREES, random_state=seed).fit(x[known], y > 0.5).estimators_
        said = np.stack([tree.tree_.predict(x[left])[:, -1] for tree in trees])
    else:
        trees = RandomForestRegressor(TREES, random_state=seed).fit(x[known], y).estimators_
        said = np.stack([tree.tree_.predict(x[left])[:, 0] for tree in trees])
    return _best(said.mean(0) + beta * said.std(0), n)


def gaussian_process(
    pool: Pool, known: Sequence[int], left: NDArray[np.int64], n: int, seed: int, beta: float
) -> Sequence[int]:
    """Mean plus beta standard deviations of a Gaussian process on ECFP4 counts, which reads no encoder."""
    with torch.no_grad():
        predict = build_head("gp-tanimoto").condition(pool.ensemble.learner.encoder, pool.labelled(known))
        said = Belief.of(predict(pool.mols.select(torch.from_numpy(left))), int(pool.rows.target.sign))
    return _best((said.mean + beta * said.std).numpy(), n)


def molmeta(
    pool: Pool,
    known: Sequence[int],
    left: NDArray[np.int64],
    n: int,
    seed: int,
    acquisition: str,
    alike: float,
    hedge: bool,
) -> Sequence[int]:
    """As `molmeta.suggest` picks among candidates."""
    worth, compounds = ACQUISITIONS[acquisition].worth, pool.rows.mol[left]
    found = pick(
        pool.ensemble.condition,
        pool.labelled(known),
        pool.mols.select(torch.from_numpy(left)),
        n,
        lambda belief, number: worth(belief, torch.from_numpy(noise_of(compounds, seed, number))),
        alike=alike,
        hedge=hedge,
    )
    return [one.index for one in found]


def find_policy(name: str) -> Policy:
    others: Mapping[str, Policy] = {
        "random": at_random,
        "similarity": similarity,
        "rf": partial(forest, beta=0.0),
        "rf-ucb": partial(forest, beta=1.0),
        "gp": partial(gaussian_process, beta=0.0),
        "gp-ucb": partial(gaussian_process, beta=1.0),
    }
    acquisition = name.removesuffix(ALONE).removesuffix(HEDGED)
    if name in others:
        return others[name]
    if acquisition not in ACQUISITIONS:
        known = ", ".join([*others, *ACQUISITIONS])
        raise SystemExit(f"no policy '{name}'; there are {known}, and these with {ALONE} or {HEDGED}")
    alike = 1.0 if name.endswith(ALONE) else ALIKE
    return partial(molmeta, acquisition=acquisition, alike=alike, hedge=name.endswith(HEDGED))


def _best(score: NDArray[np.float64], n: int) -> Sequence[int]:
    return np.argsort(-score, kind="stable")[:n].tolist()


def report(table: pd.DataFrame, options: argparse.Namespace) -> None:
    """Means over assays, and differences assay by assay, each with its standard error."""
    counted = [f"actives_{number}" for number in (1, options.rounds)]
    means, differences = [], []
    for metric in (*counted, "top", "seconds_a_round"):
        each = table.pivot_table(index="assay", columns="policy", values=metric, aggfunc="mean").dropna()
        each = each[list(options.policies)]
        means += [{"metric": metric, "policy": name} | _mean(each[name]) for name in each]
        if metric == "seconds_a_round":
            continue
        differences += [
            {"metric": metric, "policy": name, "against": other} | _mean(each[name] - each[other])
            for name in each
            for other in options.against
            if other != name and other in each
        ]
    print_means(means)
    print_differences(differences)
    if options.out:
        settings = {key: value for key, value in vars(options).items() if key not in ("data", "out")}
        shown = found(means, differences)
        save(options.out, {"settings": settings, "means": means, "differences": differences, "found": shown})


def found(
    means: Sequence[Mapping[str, object]], differences: Sequence[Mapping[str, object]]
) -> list[dict[str, str]]:
    """A row a policy: what it found in all rounds, and how much more the default found, assay by assay."""
    metrics = {max(str(row["metric"]) for row in means if "actives" in str(row["metric"])): "actives"}
    metrics["top"] = "of the best tenth"
    own = pd.DataFrame(means).set_index(["policy", "metric"])
    against = pd.DataFrame(differences).query("policy == @DEFAULT").set_index(["against", "metric"])
    rows = []
    for policy in own.index.unique("policy"):
        row = {"policy": policy}
        for metric, name in metrics.items():
            row[name] = f"{own.loc[(policy, metric), 'mean']:.1f} ± {own.loc[(policy, metric), 'se']:.1f}"
        for metric, name in metrics.items():
            at = (policy, metric)
            more = (
                f"{against.loc[at, 'mean']:+.1f} ± {against.loc[at, 'se']:.1f}"
                if at in against.index
                else "–"
            )
            row[f"{DEFAULT} minus it, {name}"] = more
        rows.append(row)
    return rows


def _mean(values: pd.Series) -> dict[str, float]:
    return {"mean": float(values.mean()), "se": float(values.sem()), "assays": len(values)}


def print_means(means: Sequence[Mapping[str, object]]) -> None:
    table = pd.DataFrame(means)
    metrics = list(table["metric"].unique())
    print("\nfound, mean over assays (± standard error)\n")
    print("\n".join(_lines(table, metrics, "policy")))


def print_differences(differences: Sequence[Mapping[str, object]]) -> None:
    table = pd.DataFrame(differences)
    for policy in table["policy"].unique() if len(table) else ():
        own = table[table["policy"] == policy]
        print(f"\n{policy} minus others, assay by assay (± standard error)\n")
        print("\n".join(_lines(own, list(own["metric"].unique()), "against")))


def _lines(table: pd.DataFrame, metrics: Sequence[str], rows: str) -> Iterator[str]:
    """Markdown, a row a policy and a column a metric."""
    yield f"| {rows} | " + " | ".join(metrics) + " |"
    yield "|---" * (len(metrics) + 1) + "|"
    for name in table[rows].unique():
        own = table[table[rows] == name].set_index("metric")
        cells = (f"{own.loc[m, 'mean']:.2f} ± {own.loc[m, 'se']:.2f}" for m in metrics if m in own.index)
        yield f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
