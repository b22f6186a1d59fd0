"""What four labs gain that train together and keep their assays, and what privacy costs.

    python benchmarks/federated.py DATA_DIR benchmarks/federated.toml runs/federated --out federated.json

The training assays of DATA_DIR are dealt out by the family of their target, as if four companies worked on
one each: kinases; proteases and other hydrolases; other enzymes; and all else. No target is in two. Then one
model is trained on all assays, one on those of each lab, and one by a server and four clients, which are
processes of their own that talk to each other over HTTP (`molmeta federate`), with secure aggregation; once
more in four times as many rounds, and once with updates cut to a norm. All are scored on the development
assays, whose targets nobody has. It goes on where it was stopped.

In an environment of its own: pip install -c constraints-federated.txt -e '.[federated]'
"""

from __future__ import annotations

import argparse
import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from harness import save, show

from molmeta.checkpoint import load_checkpoint
from molmeta.configuration import read_toml
from molmeta.data.fsmol import read_fsmol
from molmeta.evaluation import Method, evaluate, methods_of, needs_of
from molmeta.federated.guard import epsilon
from molmeta.federated.plan import read_federated
from molmeta.learner import Learner
from molmeta.toml import to_toml
from molmeta.training import train

HEAD = "evidence"
SIZES = (16, 64)
ALONE = "each lab alone"
FAMILIES = {  # of the protein super-family, by lab; all others are the last lab's
    "kinases": ("kinase",),
    "hydrolases": ("protease", "hydrolase", "phosphatase", "phosphodiesterase"),
    "other enzymes": (
        "reductase", "transferase", "lyase", "cytochrome", "isomerase", "ligase", "epigenetic", "undefined",
    ),
    "all else": (),
}  # fmt: skip
# What is changed in [federated], by the name of the row.
SETTINGS: dict[str, dict[str, Any]] = {
    "secure aggregation": {},
    "four rounds an epoch": {"rounds": 48},
    "clipped": {"clip": 4.0, "prior_clip": 1.0},
}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, metavar="DATA_DIR")
    made.add_argument("config", type=Path)
    made.add_argument("runs", type=Path, help="folder of the runs")
    made.add_argument("--draws", type=int, default=2)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    labs = deal(options)
    alone = options.runs / "alone.toml"
    content = read_toml(options.config)
    alone.write_text(to_toml({k: v for k, v in content.items() if k != "federated"}), encoding="utf-8")
    fit(alone, options.runs / "pooled", options.data)
    for name, folder in labs.items():
        fit(alone, options.runs / f"alone {name}", folder)
    for name, changes in SETTINGS.items():
        path = options.runs / f"{name}.toml"
        changed = content | {"federated": content["federated"] | changes}
        path.write_text(to_toml(changed), encoding="utf-8")
        federate(path, options.runs / name, labs)
    scores, gains = compared(options, labs)
    tables = {
        "labs": [described(name, folder) for name, folder in labs.items()],
        "scores": scores,
        "gains": gains,
        "costs": [costs(options.runs / f"{name}.toml", options.runs / name) for name in SETTINGS],
        "privacy": [private(options, wanted) for wanted in (1, 10, 100)],
    }
    for rows in tables.values():
        show(rows)
    if options.out:
        save(options.out, tables)


def deal(options: argparse.Namespace) -> dict[str, Path]:
    """A folder of data for each lab, in the layout of DATA_DIR."""
    folders = {name: options.runs / "data" / name for name in FAMILIES}
    if all((folder / "assays.csv").exists() for folder in folders.values()):
        return folders
    assays = pd.read_csv(options.data / "assays.csv", dtype=str, keep_default_na=False)
    rows = pd.read_csv(options.data / "train.csv.gz", dtype=str, keep_default_na=False)
    train_assays = assays[assays["role"] == "train"].copy()
    train_assays["lab"] = [lab_of(text) for text in train_assays["protein_super_family"]]
    # A target is one lab's, also where its assays were filed under several families.
    of_target = train_assays.groupby("target_id")["lab"].first()
    train_assays["lab"] = train_assays["target_id"].map(of_target)
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        own = train_assays[train_assays["lab"] == name].drop(columns="lab")
        rows[rows["assay"].isin(own["assay"])].to_csv(folder / "train.csv.gz", index=False)
        (folder / "valid.csv.gz").write_bytes((options.data / "valid.csv.gz").read_bytes())
        pd.concat([own, assays[assays["role"] != "train"]]).to_csv(folder / "assays.csv", index=False)
    return folders


def lab_of(family: str) -> str:
    """The lab that works on a protein super-family."""
    for name, beginnings in FAMILIES.items():
        if any(beginning in family for beginning in beginnings):
            return name
    return "all else"


def fit(config: Path, out: Path, data: Path) -> None:
    if (out / "metrics.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    print(f"{out.name}", flush=True)
    train(config, out, data=data, cache=cache(out.parent, data), resume=True, device="cpu")


def cache(runs: Path, data: Path) -> Path:
    """Features of the compounds in a folder of data, which all runs share."""
    return runs / "caches" / data.name


def federate(config: Path, out: Path, labs: Mapping[str, Path]) -> None:
    """A server and its clients, each a process; all go on where they were stopped."""
    if (out / "config.json").exists():
        return
    print(f"{out.name}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    molmeta = [sys.executable, "-m", "molmeta.cli", "federate"]
    quietly = ["--insecure", "--resume", "--device", "cpu"]
    commands = [[*molmeta, "server", config, "-o", out, "--port", port, "--insecure", "--resume"]]
    for name, folder in labs.items():
        own = lab_folder(out, name)
        own.mkdir(parents=True, exist_ok=True)
        shared = cache(out.parent, folder).resolve()
        shared.mkdir(parents=True, exist_ok=True)
        if not (own / "cache").exists():
            (own / "cache").symlink_to(shared)
        commands.append(
            [*molmeta, "client", config, f"127.0.0.1:{port}", "--data", folder, "-o", own, *quietly]
        )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = []
    for number, command in enumerate(commands):
        with (out / f"{number}.log").open("w") as log:
            words = [str(word) for word in command]
            started.append(subprocess.Popen(words, stdout=log, stderr=log, env=environment))
    codes = [process.wait() for process in started]
    if any(codes):
        raise SystemExit(f"{out}: exit codes {codes}; their words are in {out}/*.log")


def lab_folder(out: Path, lab: str) -> Path:
    return out.with_name(f"{out.name} labs") / lab


def described(name: str, folder: Path) -> dict[str, Any]:
    assays = pd.read_csv(folder / "assays.csv")
    own = assays[assays["role"] == "train"]
    rows = pd.read_csv(folder / "train.csv.gz", usecols=["smiles"])
    return {
        "lab": name,
        "targets": own["target_id"].nunique(),
        "assays": len(own),
        "compounds": f"{rows['smiles'].nunique():,}",
        "measurements": f"{len(rows):,}",
    }


def compared(
    options: argparse.Namespace, labs: Mapping[str, Path]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Means over the development assays with differences from the model of all assays, and differences from
    each lab alone, assay by assay."""
    models = {"pooled": [options.runs / "pooled"]}
    models[ALONE] = [options.runs / f"alone {name}" for name in labs]
    for name in SETTINGS:
        models[name] = [options.runs / name]
        models[f"{name}, labs"] = [lab_folder(options.runs / name, lab) for lab in labs]
    loaded = {
        name: [load_checkpoint(folder).eval() for folder in folders] for name, folders in models.items()
    }
    methods: dict[str, Method] = {}
    for name, learners in loaded.items():
        for number, learner in enumerate(learners):
            if len(learner.seen):
                methods[f"{name}/tables/{number}"] = methods_of(learner, [HEAD])[HEAD]
            if not name.endswith(", labs"):  # whose trunk and prior are those of the server
                methods[f"{name}/bare/{number}"] = methods_of(bare(learner), [HEAD])[HEAD]
    dev = read_fsmol(options.data / "train.csv.gz", needs_of(methods), 2, ("dev",))
    scores = evaluate(dev, methods, SIZES, options.draws)
    parts = scores["method"].str.split("/", expand=True)
    scores = scores.assign(name=parts[0].str.removesuffix(", labs"), kind=parts[1])
    table = scores.groupby(["name", "kind", "k", "assay"])["delta_auprc"].mean()
    rows, gains = [], []
    for name in ("pooled", ALONE, *SETTINGS):
        row: dict[str, Any] = {"trained": name}
        gain: dict[str, Any] = {"trained": name}
        for kind, words in (("bare", "trunk and prior"), ("tables", "with tables")):
            for k in SIZES:
                own = table[name][kind][k]
                row[f"{words}, k = {k}"] = f"{own.mean():.3f}"
                if name != "pooled":
                    row[f"{words}, k = {k}"] += f" ({gap(own, table['pooled'][kind][k])})"
                gain[f"{words}, k = {k}"] = gap(own, table[ALONE][kind][k])
        rows.append(row)
        if name not in ("pooled", ALONE):
            gains.append(gain)
    return rows, gains


def gap(one: pd.Series, other: pd.Series) -> str:
    """Mean difference, assay by assay, and its standard error."""
    difference = one - other
    return f"{difference.mean():+.3f} ± {difference.std(ddof=1) / math.sqrt(len(difference)):.3f}"


def bare(learner: Learner) -> Learner:
    """A learner without its tables of single compounds."""
    spec = learner.spec
    out = Learner(spec["encoder"], {HEAD: spec["heads"][HEAD] | {"rank": 0}})
    state = learner.state_dict()
    out.load_state_dict({key: state[key] for key in out.state_dict()})
    return out.eval()


def costs(config: Path, out: Path) -> dict[str, Any]:
    """What a federation sent, how long it took, and what it guarantees."""
    lines = [json.loads(line) for line in (out / "federation.jsonl").read_text("utf-8").splitlines()]
    plan = read_federated(config)
    labs = plan.federated.labs
    return {
        "trained": out.name,
        "rounds": len(lines),
        "to a lab, MB": f"{sum(line['bytes_out'] for line in lines) / labs / 1e6:,.0f}",
        "from a lab, MB": f"{sum(line['bytes_in'] for line in lines) / labs / 1e6:,.0f}",
        "minutes": f"{sum(line['seconds'] for line in lines) / 60:.0f}",
        "length of the first and last trunk update": _lengths(lines),
        "epsilon (delta 1e-5)": f"{epsilon(plan):,.0f}" if plan.federated.noise else "none",
    }


def private(options: argparse.Namespace, wanted: float) -> dict[str, Any]:
    """What noise a guarantee takes, and how many labs, so that the noise in their mean is no longer than the
    longest update: it is clip * noise * sqrt(weights) / labs long."""
    config = read_federated(options.config)
    low, high = 1e-3, 1e3
    for _ in range(100):
        noise = math.sqrt(low * high)
        changed = config.federated.model_copy(update={"noise": noise})
        found = epsilon(config.model_copy(update={"federated": changed}))
        low, high = (noise, high) if found > wanted else (low, noise)
    weights = sum(p.numel() for p in load_checkpoint(options.runs / "pooled").encoder.parameters())
    return {
        "epsilon (delta 1e-5)": f"{wanted:g}",
        "noise multiplier": f"{high:.2g}",
        "labs": f"{math.ceil(high * math.sqrt(weights)):,}",
    }


def _lengths(lines: list[dict[str, Any]]) -> str:
    trunk = [line["length"] for line in lines if line["phase"] == "trunk"]
    return f"{trunk[0]:.2f}, {trunk[-1]:.2f}"


if __name__ == "__main__":
    main()
