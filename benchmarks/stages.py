"""What each stage of scoring takes alone, and how near a whole run comes to what they allow."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from statistics import median

from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator
from trial import SCORE, Row, Trial, by_difference, one_core, timed

from molmeta.chem.rows import read_rows
from molmeta.data.library import read_library
from molmeta.errors import ConfigError
from molmeta.predictor import Predictor
from molmeta.scoring import Engine, Local, cores
from molmeta.scoring.featurize import Featurize, Job
from molmeta.scoring.manifest import Manifest
from molmeta.scoring.models import Models
from molmeta.scoring.tally import Tally
from molmeta.scoring.workers import Workers

YARDSTICK = "RDKit: parse + Morgan counts (the yardstick)"
_MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048, includeChirality=True)
# What worker processes do, where there are any, and what is left to the process that started them.
STRUCTURES = "structures to features"
REST = ("text", "network", "head", "writing", "tally")


def parse(smiles: Iterable[str]) -> None:
    with rdBase.BlockLogs():
        for one in smiles:
            Chem.MolFromSmiles(one)


def yardstick(smiles: Iterable[str]) -> None:
    """What no program can do without that compares structures by their fingerprints."""
    with rdBase.BlockLogs():
        for one in smiles:
            mol = Chem.MolFromSmiles(one)
            if mol is not None:
                _MORGAN.GetCountFingerprintAsNumPy(mol)


ALONE = {"RDKit: parse": parse, YARDSTICK: yardstick}


class Laps:
    """Seconds by stage: a call says which stage has just ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def walk(trial: Trial, model: Predictor, columns: Collection[str] | None) -> dict[str, float]:
    """Seconds of each stage of scoring the sample: what `Scorer` does, chunk by chunk, by the clock.

    Every batch is new, since heads keep what they make of one. Parts stay in memory.
    """
    models = Models([model], columns)
    library = read_library(trial.library(len(trial.sample)), chunk=trial.options.chunk)
    layout = Manifest.of(library, models, None, 1).layout("scored.parquet")
    parts, laps = [], Laps()
    for chunk in library:
        laps("text")
        rows = read_rows(chunk.smiles, models.needs)
        laps(STRUCTURES)
        embedded = models.embed(rows)
        laps("network")
        scored = models.predict(embedded)
        laps("head")
        written = scored[models.names]
        parts.append(layout.encode(chunk.cells, written, embedded.smiles))
        laps("writing")
        Tally.of(chunk, embedded.status, scored[models.ranking].to_numpy(), written)
        laps("tally")
    laps("text")
    with (trial.folder / "walked.parquet").open("wb") as stream:
        layout.join(parts, stream)
    laps("writing")
    return laps.seconds | {"all stages": sum(laps.seconds.values())}


@cache
def costs(trial: Trial) -> dict[tuple[str, str, str], float]:
    """Microseconds a molecule on one core, by stage, model and columns: the median of the rounds."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    with one_core():
        for _ in range(trial.options.rounds):
            for stage, action in ALONE.items():
                found[stage, "–", "–"].append(timed(lambda action=action: action(trial.sample)))
            for model in ("fast", "base"):
                for columns in (SCORE, None):
                    shown = ", ".join(columns or ("all",))
                    for stage, seconds in walk(trial, trial.model(model), columns).items():
                        found[stage, model, shown].append(seconds)
    return {key: 1e6 * median(seconds) / len(trial.sample) for key, seconds in found.items()}


def limits(trial: Trial) -> Iterator[Row]:
    """Of the same molecules on one core: RDKit alone, and each stage of scoring."""
    for (stage, model, columns), cost in costs(trial).items():
        yield {
            "stage": stage,
            "model": model,
            "columns": columns,
            "µs a molecule": round(cost, 1),
            "molecules a second": round(1e6 / cost),
        }


def featurizing(trial: Trial, model: Predictor, workers: int) -> float:
    """Molecules of the library a second that worker processes read, with nothing done to what they send."""
    with Workers(Featurize(model.needs), workers) as pool:

        def drain(rows: int) -> float:
            library = read_library(trial.library(rows), chunk=trial.options.chunk)
            return timed(lambda: deque(pool.map(Job.of(chunk) for chunk in library), maxlen=0))

        drain(trial.sizes[0])  # until all have started
        return by_difference(drain, *trial.sizes, trial.options.rounds)


_BOUNDS = ("structures", "rest", "cores")
HOW = """Bound: the least of what each stage could do on its own.
structures: worker processes read the library, and nobody takes in what they send;
rest: the other stages, on one core each thread, of which there is one for every two workers;
cores: all stages, at the cost that they have on one core, spread over all cores that the engine may use."""


def scaling(trial: Trial) -> Iterator[Row]:
    """Whole runs, all columns, with more and more processes, against what their stages allow."""
    print(f"\n{HOW}")
    most = trial.options.workers
    for name in ("fast", "base"):
        model = trial.model(name)
        rest = sum(costs(trial)[stage, name, "all"] for stage in REST)
        structures = {n: featurizing(trial, model, n) for n in sorted({1, most})}
        each = 1e6 / structures[1] + rest
        rates: dict[str, tuple[float, dict[str, float]]] = {}
        for number, rate in structures.items():
            threads = max(1, number // 2)
            bounds = {"structures": rate, "rest": threads * 1e6 / rest}
            bounds["cores"] = min(cores(), number + threads) * 1e6 / each
            rates[f"Local({number})"] = trial.growing(model, None, Local(number)), bounds
        with ray_nodes(most) as engine:
            if engine is not None:
                bounds = {"cores": min(cores(), most) * 1e6 / each}
                rates[f"Ray, {most} nodes of one core"] = trial.growing(model, None, engine), bounds
        for engine_name, (rate, bounds) in rates.items():
            bound = min(bounds, key=bounds.__getitem__)
            stages_alone = {key: round(bounds[key]) if key in bounds else "–" for key in _BOUNDS}
            yield {
                "model": name,
                "engine": engine_name,
                **stages_alone,
                "bound": f"{bounds[bound]:,.0f} ({bound})",
                "molecules a second": round(rate),
                "of the bound": f"{rate / bounds[bound]:.2f}",
                f"of Local({most})": f"{rate / rates[f'Local({most})'][0]:.2f}",
            }


@contextmanager
def ray_nodes(number: int) -> Iterator[Engine | None]:
    """The engine of a Ray cluster of so many nodes of one core, all here; None where Ray is not there."""
    try:
        from ray.cluster_utils import Cluster

        from molmeta.scoring.cluster import Ray
    except (ImportError, ConfigError) as error:
        print(f"Ray is left out: {error}")
        yield None
        return
    node = {"num_cpus": 1, "object_store_memory": 256 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        for _ in range(number - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield Ray(address=cluster.address)
    finally:
        cluster.shutdown()
