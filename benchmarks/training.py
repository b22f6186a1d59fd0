"""How many molecules a second does stage A learn, and how many episodes stage B?

    python benchmarks/training.py DATA_DIR --naive --out training.json

Contestants train the same network on the same compounds (every 60th assay of DATA_DIR/train.csv.gz), each in
a process of its own; rounds take turns, so that a machine that slows down slows all.

    naive      what one writes first: a torch-geometric DataLoader that collates molecule by molecule,
               float32, AdamW as it comes, all threads
    float32    stage A of `molmeta train` with precision = "float32"
    bf16       the same with precision = "bf16", as the shipped models were trained
    torchrun   the same in as many processes as there are threads (gloo), which share each batch

Prints molecules a second, their ratio to the plain loop in the same round, and the share of the processor's
(or the GPU's) peak: floating-point operations a second over those of a large matrix product in the same
precision. Then episodes a second of stage B, whose heads are trained on stored embeddings but for MAML.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from harness import save, show
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from molmeta.chem.batch import Graphs, MolBatch
from molmeta.data.cache import load_corpus, save_corpus
from molmeta.data.collection import read_corpus
from molmeta.data.corpus import Corpus
from molmeta.encoders import build_encoder
from molmeta.learner import Learner
from molmeta.training import episodic, pretrain
from molmeta.training.config import Episodic, Pretrain
from molmeta.training.data import Measurements, measurements
from molmeta.training.group import Group
from molmeta.training.pretrain import Batch, Multitask

NTH = 60  # assays
NEEDS = {"graph", "counts", "pairs", "descriptors", "identity"}
ENCODERS: dict[str, dict[str, Any]] = {
    "fusion": {"graph": {"width": 128, "depth": 5}},  # a GINE and a fingerprint trunk
    "fingerprint": {"width": 1024, "depth": 2, "dropout": 0.5},  # the shipped one
}
LOOPS = {
    "naive": "plain",
    "float32": "molmeta, float32",
    "bf16": "molmeta, bf16",
    "torchrun": "molmeta, bf16, torchrun",
}
HEADS = ("evidence", "proto", "anil", "maml")
CONFIG = Pretrain(value_weight=1.0)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("--naive", action="store_true", help="the plain loop too, and ratios to it")
    made.add_argument("--encoders", nargs="*", default=list(ENCODERS), choices=list(ENCODERS))
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=10.0, help="that a contestant is timed in a round")
    made.add_argument("--threads", type=int, default=os.cpu_count())
    made.add_argument("--device", default="auto")
    made.add_argument("--contestant", help=argparse.SUPPRESS)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    if options.contestant:
        contest(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(options.data, Path(folder))
        throughput = summarized(race(options, Path(folder)))
        show(throughput)
        episodes = [
            {
                "head": name,
                "episodes/s": f"{run(options, Path(folder), 'fingerprint', 'head:' + name)['rate']:.1f}",
            }
            for name in HEADS
        ]
        show(episodes)
    if options.out:
        save(options.out, {"throughput": throughput, "episodes": episodes, "threads": options.threads})


def prepare(data: Path, folder: Path) -> None:
    """The compounds that all train on, with their features."""
    table = pd.read_csv(data / "train.csv.gz")
    chosen = table["assay"].drop_duplicates().iloc[::NTH]
    table[table["assay"].isin(chosen)].to_csv(folder / "train.csv.gz", index=False)
    (folder / "assays.csv").write_bytes((data / "assays.csv").read_bytes())
    corpus = read_corpus(folder / "train.csv.gz", NEEDS, os.cpu_count() or 1, ())
    save_corpus(folder / "corpus", corpus)
    print(f"{len(corpus.mols):,} compounds of {len(corpus)} assays")


def race(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Rows {encoder, contestant, round, rate, share}."""
    names = [name for name in LOOPS if options.naive or name != "naive"]
    return [
        {"encoder": encoder, "contestant": name, "round": number, **run(options, folder, encoder, name)}
        for encoder in options.encoders
        for number in range(options.rounds)
        for name in names
    ]


def run(options: argparse.Namespace, folder: Path, encoder: str, contestant: str) -> dict[str, float]:
    """What a contestant says of itself, in a process of its own."""
    own = [__file__, str(folder), "--contestant", contestant, "--encoders", encoder]
    own += ["--seconds", str(options.seconds), "--device", options.device]
    threads = options.threads
    start = [sys.executable]
    if contestant == "torchrun":
        n = torch.cuda.device_count() or threads
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
        threads = max(1, threads // n)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*start, *own, "--threads", str(threads)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def contest(options: argparse.Namespace) -> None:
    """One contestant, timed; prints JSON."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    group = Group.of_environment(options.device)
    corpus, (encoder,) = load_corpus(options.data / "corpus"), options.encoders
    if options.contestant.startswith("head:"):
        found = {"rate": episodes_a_second(options.contestant.removeprefix("head:"), corpus, group, options)}
    else:
        with group.joined():
            found = molecules_a_second(encoder, corpus, group, options)
    if group.first:
        print(json.dumps(found))


def molecules_a_second(
    encoder: str, corpus: Corpus, group: Group, options: argparse.Namespace
) -> dict[str, float]:
    table = measurements(corpus, ())
    model = Multitask(build_encoder(encoder, **ENCODERS[encoder]), table.n_assays).to(group.device).train()
    autocast = options.contestant in ("bf16", "torchrun")
    if options.contestant == "naive":
        steps = plain_loop(model, corpus, table, group)
    else:
        steps = our_loop(model, corpus, table, group, autocast)
    rate = timed(steps, options.seconds, group)
    if options.contestant == "torchrun":
        return {"rate": rate}
    flops = operations(model, pretrain.batch_of(corpus.mols, table, torch.arange(CONFIG.batch_size), group))
    return {"rate": rate, "share": rate * flops / peak(group.device, autocast)}


def our_loop(
    model: Multitask, corpus: Corpus, table: Measurements, group: Group, autocast: bool
) -> Iterator[int]:
    """Steps as `molmeta.training.stages.Run.learn` does them; gives the compounds of each."""
    spread, optim, epoch = group.spread(model), pretrain.optimizer(model, CONFIG), 0
    while True:
        for index in pretrain.batches(table, CONFIG.batch_size, 0, epoch):
            batch = pretrain.batch_of(corpus.mols, table, index, group)
            pretrain.step(spread, optim, batch, CONFIG, group, autocast=autocast)
            yield len(index)
        epoch += 1


class Item(Data):
    """A molecule with its measurements; `owner` numbers the molecules of a batch."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 1 if key == "owner" else 0

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 0


def plain_loop(model: Multitask, corpus: Corpus, table: Measurements, group: Group) -> Iterator[int]:
    items = [
        item(corpus.mols.select(table.compound[i : i + 1]), table, i) for i in range(len(table.compound))
    ]
    loader = DataLoader(items, batch_size=CONFIG.batch_size, shuffle=True, drop_last=True)
    optim = torch.optim.AdamW(model.parameters(), lr=CONFIG.rate, weight_decay=CONFIG.weight_decay)
    while True:
        for batch in loader:
            batch = batch.to(group.device)
            graph = Graphs(
                batch.atoms, pointers(batch.n_atoms), batch.ends, batch.bonds, pointers(batch.n_bonds)
            )
            mols = MolBatch(
                len(batch.n_atoms), graph, batch.counts, batch.pairs, descriptors=batch.descriptors
            )
            embedding = model.encoder(mols)[batch.owner]
            classes, values = model.losses(embedding, batch.assay, batch.label, batch.value, batch.relation)
            loss = classes + CONFIG.value_weight * values
            optim.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), CONFIG.clip)
            optim.step()
            loss.item()
            yield len(batch.n_atoms)


def item(mol: MolBatch, table: Measurements, i: int) -> Item:
    assert mol.graph is not None
    rows = slice(int(table.ptr[i]), int(table.ptr[i + 1]))
    return Item(
        atoms=mol.graph.atoms,
        ends=mol.graph.ends,
        bonds=mol.graph.bonds,
        n_atoms=mol.graph.atom_ptr[1:],
        n_bonds=mol.graph.bond_ptr[1:],
        counts=mol.counts,
        pairs=mol.pairs,
        descriptors=mol.descriptors,
        assay=table.assay[rows],
        label=table.label[rows],
        value=table.value[rows],
        relation=table.relation[rows],
        owner=torch.zeros(rows.stop - rows.start, dtype=torch.long),
        num_nodes=len(mol.graph.atoms),
    )


def pointers(sizes: Tensor) -> Tensor:
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def timed(steps: Iterator[int], seconds: float, group: Group) -> float:
    """Compounds a second, after three steps to warm up."""
    for _ in range(3):
        next(steps)
    done, began = 0, now(group)
    while True:
        done += next(steps)
        # All processes must stop at the same step.
        (longest,) = group.total((now(group) - began) / group.size)
        if longest >= seconds:
            return done / longest


def now(group: Group) -> float:
    if group.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def operations(model: Multitask, batch: Batch) -> float:
    """Floating-point operations of matrix products for a compound, there and back."""
    with FlopCounterMode(display=False) as counter:
        classes, values = model(batch, False)
        (classes + values).backward()
    return float(counter.get_total_flops()) / len(batch.mols)


def peak(device: torch.device, autocast: bool) -> float:
    """Operations a second of a large matrix product."""
    dtype = torch.bfloat16 if autocast else torch.float32
    a, b = (torch.randn(4096, 4096, device=device, dtype=dtype) for _ in range(2))
    times = []
    for _ in range(6):
        began = time.perf_counter()
        float((a @ b)[0, 0])  # waits for a GPU
        times.append(time.perf_counter() - began)
    return 2 * 4096**3 / min(times)


def episodes_a_second(head: str, corpus: Corpus, group: Group, options: argparse.Namespace) -> float:
    """Episodes of 4 to 256 compounds and 128 to predict, on stored embeddings; MAML moves the encoder."""
    moving = head == "maml"
    config = Episodic(freeze_encoder=not moving, episodes=4)
    trunk = {"name": "fingerprint", **ENCODERS["fingerprint"]}
    learner = Learner(trunk, {head: {"dim": 256}}).to(group.device)
    source = episodic.pool(learner, corpus, tuple(corpus.assays.index), config)
    model = learner.head(head).train()
    encoder = learner.encoder.train() if moving else learner.reader(model)
    optim = episodic.optimizer(model, encoder, config)

    def steps() -> Iterator[int]:
        for number in range(10**9):
            rng = np.random.default_rng(number)
            drawn = [source.draw(model, rng) for _ in range(config.episodes)]
            episodic.step(model, encoder, optim, drawn, config, group)
            yield config.episodes

    return timed(steps(), options.seconds, group)


def summarized(rates: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A row for each trunk and loop: medians over the rounds."""
    table, rows = pd.DataFrame(rates), []
    for (encoder, contestant), part in table.groupby(["encoder", "contestant"], sort=False):
        rate = part.set_index("round")["rate"]
        plain = table.query("encoder == @encoder and contestant == 'naive'").set_index("round")["rate"]
        known = "share" in part and part["share"].notna().all()
        rows.append(
            {
                "trunk": encoder,
                "loop": LOOPS[contestant],
                "molecules/s": f"{rate.median():,.0f}",
                "rounds": f"{rate.min():,.0f} to {rate.max():,.0f}",
                "times the plain loop": f"{(rate / plain).median():.2f}" if len(plain) else "",
                "share of the peak": f"{part['share'].median():.0%}" if known else "",
            }
        )
    return rows


if __name__ == "__main__":
    main()
