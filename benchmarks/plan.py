"""What would a corpus of 100,000 assays and 10,000,000 compounds cost? Unit costs, and what follows.

    python benchmarks/plan.py DATA_DIR benchmarks/base-dev.toml runs/scaling --out plan.json

Each step of a training is timed on FS-Mol as it is, or on a part of it, with the trunk of the shipped model;
the corpus in question has as many measurements a compound as FS-Mol. What is learned of each assay alone is
timed at both sizes. All is of one process, with --threads threads where torch computes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from harness import save, show

from molmeta.checkpoint import shipped
from molmeta.chem.batch import to_tensors
from molmeta.corpora.build import build
from molmeta.corpora.config import read_corpus_config, with_drops
from molmeta.corpora.reading import open_corpus
from molmeta.data.corpus import Corpus
from molmeta.heads.evidence.panels import Panels
from molmeta.heads.evidence.profiles import Profiles
from molmeta.learner import Learner
from molmeta.training import pretrain
from molmeta.training.atlas import learn_atlas
from molmeta.training.config import TrainConfig, read_config
from molmeta.training.data import history, load_corpora, measurements
from molmeta.training.group import ALONE
from molmeta.training.pretrain import Multitask

ASSAYS, COMPOUNDS = 100_000, 10_000_000
FAULTS = ["units", "scale", "duplicates", "targets", "files"]  # left out, where the source has any
STEPS = 30  # of stage A, timed
FITTED = 200  # assays of the atlas


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("config", type=Path)
    made.add_argument("runs", type=Path, help="folder with features of an earlier run, or for them")
    made.add_argument("--threads", type=int, default=os.cpu_count())
    made.add_argument("--core-hour", type=float, default=0.04, help="price in dollars")
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    config = read_config(options.config)
    learner = Learner(config.encoder, {"evidence": config.heads["evidence"]})
    corpus = load_corpora(config.data, options.data, options.runs / "cache", learner.needs).train
    here = {"assays": len(corpus), "compounds": len(corpus.mols), "measurements": len(corpus.label)}
    there = {
        "assays": ASSAYS,
        "compounds": COMPOUNDS,
        "measurements": round(COMPOUNDS * here["measurements"] / here["compounds"]),
    }
    rows = [
        {
            "step": f"what there is: {name}",
            "unit cost": "",
            "FS-Mol": f"{here[name]:,}",
            "planned": f"{there[name]:,}",
        }
        for name in here
    ]
    for cost in costs(options.data / config.data.valid, corpus, learner, config):
        rows.append(priced(*cost, here, there))
    trained = [spent(name, folder, options.core_hour) for name, folder in shipped().items()]
    for table in (trained, rows):
        show(table)
    if options.out:
        save(options.out, {"shipped": trained, "costs": rows})


def spent(name: str, folder: Path, core_hour: float) -> dict[str, str]:
    """What the training of a shipped model took, on two cores, and what it reached."""
    info = json.loads((folder / "config.json").read_text("utf-8"))["info"]
    scores = json.loads((folder / "metrics.json").read_text("utf-8"))["validation"]
    first = next(iter(scores.values()))
    return {
        "model": name,
        "assays": f"{info['assays']:,}",
        "compounds": f"{info['compounds']:,}",
        "minutes": f"{info['seconds'] / 60:.0f}",
        "cost": f"${2 * info['seconds'] / 3600 * core_hour:.2f}",
        "validation ΔAUPRC, k = 16": f"{first['delta_auprc@16']:.3f}",
        "validation ΔAUPRC, k = 64": f"{first['delta_auprc@64']:.3f}",
    }


def priced(
    step: str,
    unit: str,
    of: str,
    at_here: float,
    at_there: float,
    here: dict[str, int],
    there: dict[str, int],
) -> dict[str, str]:
    """A row; costs are of one of `of`, in seconds or bytes."""
    words = {"s": duration, "B": size}[unit]
    return {
        "step": step,
        "unit cost": f"{unit_cost(at_here, unit)} {'an' if of == 'assay' else 'a'} {of}"
        + ("" if at_here == at_there else f", planned {unit_cost(at_there, unit)}"),
        "FS-Mol": words(at_here * here[f"{of}s"]),
        "planned": words(at_there * there[f"{of}s"]),
    }


def costs(
    valid: Path, corpus: Corpus, learner: Learner, config: TrainConfig
) -> Iterator[tuple[str, str, str, float, float]]:
    """(step, "s" or "B", what it is a cost of, that at FS-Mol, that at the corpus in question)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "corpus"
        seconds = timed(lambda: build(valid, out, with_drops(read_corpus_config(None), FAULTS)))
        made = len(open_corpus(out).corpus(learner.needs, ()).mols)
        stored = sum(file.stat().st_size for file in (out / "features").rglob("*") if file.is_file())
    yield ("molmeta corpus build, one process", "s", "compound", seconds / made, seconds / made)
    yield ("... features on disk, memory-mapped", "B", "compound", stored / made, stored / made)
    loaded = sum(t.numel() * t.element_size() for t in to_tensors(corpus.mols).values()) / len(corpus.mols)
    yield ("features in memory, where all are to be there", "B", "compound", loaded, loaded)

    epochs = config.pretrain.epochs
    small, large = (stage_a(corpus, config, n) for n in (len(corpus), ASSAYS))
    yield ("stage A, an epoch", "s", "compound", small[0], large[0])
    yield (f"stage A, {epochs} epochs", "s", "compound", epochs * small[0], epochs * large[0])
    yield ("... weights, gradients and moments of the outputs", "B", "assay", small[1], large[1])

    told = history(corpus, ())
    head = Learner(config.encoder, {"evidence": config.heads["evidence"]}).head()
    seconds = timed(lambda: head.start_from(torch.zeros(1, learner.encoder.dim), told)) / len(corpus.label)
    yield ("tables of single compounds, made", "s", "measurement", seconds, seconds)
    kept = sum(
        buffer.numel() * buffer.element_size()
        for table in head.modules()
        if isinstance(table, (Panels, Profiles))
        for buffer in table.buffers()
    )
    yield ("... in the model", "B", "measurement", kept / len(corpus.label), kept / len(corpus.label))
    some = corpus.select(list(corpus.assays.index[:FITTED]))
    embedded = timed(lambda: learner.embed(some.mols))
    seconds = max(0.0, timed(lambda: learn_atlas(learner, some)) - embedded) / FITTED
    yield ("atlas, fitted", "s", "assay", seconds, seconds)
    yield ("... on disk", "B", "assay", 4.0 * learner.encoder.dim, 4.0 * learner.encoder.dim)


def stage_a(corpus: Corpus, config: TrainConfig, n_assays: int) -> tuple[float, float]:
    """Seconds a compound of a step with so many outputs, and bytes an assay that training them takes."""
    torch.manual_seed(0)
    table = measurements(corpus, ())
    model = Multitask(Learner(config.encoder, {}).encoder, n_assays).train()
    optim = pretrain.optimizer(model, config.pretrain)
    batches = pretrain.batches(table, config.pretrain.batch_size, 0, 0)

    def step(index: torch.Tensor) -> None:
        batch = pretrain.batch_of(corpus.mols, table, index, ALONE)
        pretrain.step(model, optim, batch, config.pretrain, ALONE, autocast=config.precision == "bf16")

    for index in islice(batches, 3):
        step(index)
    seconds = timed(lambda: [step(index) for index in islice(batches, STEPS)])
    outputs = sum(
        p.numel() * p.element_size() for name, p in model.named_parameters() if "encoder" not in name
    )
    return seconds / (STEPS * config.pretrain.batch_size), 4 * outputs / n_assays


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def unit_cost(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value:,.0f} bytes"
    return f"{value * 1e6:,.0f} µs" if value < 1e-2 else f"{value:.2g} s"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def size(number: float) -> str:
    return f"{number / 1e6:,.0f} MB" if number < 1e9 else f"{number / 1e9:,.1f} GB"


if __name__ == "__main__":
    main()
