"""Where and how molmeta is run changes nothing: the same bytes from anywhere, and no trace in the process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import pandas as pd
import pytest

import molmeta
from molmeta import assays
from molmeta.scoring import Local, score_library

# What `everything` makes, in a process of its own: all of molmeta's outputs in the folder it is given.
EVERYTHING = """
import contextlib, io, sys
from pathlib import Path
from molmeta import assays
from molmeta.cli.__main__ import open_streams
from molmeta.cli.app import app

def run(*words, keep=None):
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said) if keep else contextlib.nullcontext():
            app([str(word) for word in words])
    except SystemExit as end:
        if end.code:
            raise
    if keep:
        (folder / keep).write_text(said.getvalue(), encoding="utf-8")

open_streams()
folder = Path(sys.argv[1])
bbb, library, model = assays.path("bbb"), folder.parent / "library.csv", folder / "bbb.molmeta"
run("adapt", bbb, "--model", sys.argv[2], "-o", model, "--no-verdict")
run("score", model, library, "-o", folder / "out.csv", "--workers", sys.argv[3])
run("score", model, library, "-o", folder / "out.parquet", "--workers", 0, "--top", 5)
run("suggest", model, library, "-n", 3, "-o", folder / "next.csv", "--workers", 0)
run("report", model, "-o", folder / "report.html")
run("explain", model, "CCO", "c1ccc[nH]1", "--json", keep="explain.json")
run("check", bbb, "--json", keep="check.json")
"""
# All at once, as each by itself was tried by hand; a daemon has closed its streams on top.
HOSTILE = {
    "PYTHONHASHSEED": "4321", "OMP_NUM_THREADS": "64", "MKL_NUM_THREADS": "64", "OPENBLAS_NUM_THREADS": "64",
    "OMP_WAIT_POLICY": "PASSIVE",  # or they use up the few cores of a test machine by waiting
    "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "de_DE.ISO-8859-1",
    "TZ": "Pacific/Kiritimati", "HOME": "/nowhere", "TMPDIR": "/nowhere", "XDG_CACHE_HOME": "/nowhere",
    "PATH": "", "COLUMNS": "20", "NO_COLOR": "1", "TERM": "dumb", "PYTHONOPTIMIZE": "2",
}  # fmt: skip


def library(folder: Path, n: int = 40) -> Path:
    """Drugs, and a few rows that are none, with letters that some locales lack."""
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()[:n]
    rows = [f"{i},{line.split()[0]},µ{i}" for i, line in enumerate(lines)]
    path = folder / "library.csv"
    path.write_text("\n".join(["id,smiles,näme", *rows, "x,CCССO,", "y,,"]) + "\n", encoding="utf-8")
    return path


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with random weights."""
    import torch

    from molmeta.checkpoint import save_checkpoint
    from molmeta.learner import Learner

    torch.manual_seed(0)
    encoder = {"name": "fingerprint", "dim": 16, "width": 32, "depth": 1}
    folder = tmp_path_factory.mktemp("models") / "small"
    save_checkpoint(folder, Learner(encoder, {"evidence": {"dim": 16}}))
    return folder


def test_the_same_bytes_from_a_daemon_in_another_locale_with_other_threads(
    small: Path, tmp_path: Path
) -> None:
    library(tmp_path)
    found = []
    for name, workers, environment, shell in (
        ("terminal", "1", {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}, '"$@"'),
        ("daemon", "0", HOSTILE, 'umask 077; ulimit -n 64; cd /; "$@" <&- >&- 2>&-'),
    ):
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run(
            ["/bin/sh", "-c", shell, "sh", sys.executable, "-c", EVERYTHING, folder, small, workers],
            env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(digests(folder))
    assert len(found[0]) == 7
    assert found[0] == found[1]


STATE = """
import json, locale, logging, os, random, signal, sys, threading, warnings
import joblib, matplotlib, numpy as np, pandas as pd, rdkit, scipy.special, sklearn.ensemble, torch
from rdkit import rdBase

matplotlib.use("svg")
torch.set_num_threads(2)


def state():
    return {
        "threads of torch": torch.get_num_threads(), "type": str(torch.get_default_dtype()),
        "gradients": torch.is_grad_enabled(), "log of RDKit": rdBase.LogStatus(),
        "random numbers": [hash(random.getstate()), repr(np.random.get_state())],
        "random numbers of torch": torch.get_rng_state().tolist(),
        "warnings": repr(warnings.filters), "locale": locale.setlocale(locale.LC_ALL),
        "signals": [repr(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "matplotlib": [matplotlib.get_backend(), repr(sorted(matplotlib.rcParams.items()))],
        "environment": dict(os.environ), "folder": os.getcwd(), "path": list(sys.path),
        "logging": [logging.getLogger().level, repr(logging.getLogger().handlers)],
        "hooks": [repr(hook) for hook in (sys.excepthook, sys.unraisablehook, threading.excepthook)],
        "numpy": [np.geterr(), repr(np.get_printoptions())], "umask": os.umask(0o22),
        "threads": [thread.name for thread in threading.enumerate()],
    }


os.umask(0o22)
before = state()
import molmeta
for name in dir(molmeta):
    getattr(molmeta, name)
imported = state()
from pathlib import Path
from molmeta import assays
from molmeta.report.run import write_report
model = molmeta.adapt(assays.path("bbb"), sys.argv[1], verdict=False)
model.save("bbb.molmeta")
model = molmeta.load("bbb.molmeta")
model.predict(["CCO", "no"])
molmeta.score_library(model, "library.csv", "out.csv")
write_report(model, Path("report.html"), workers=0)
used = state()
print(json.dumps([[n for n in before if before[n] != after[n]] for after in (imported, used)]))
"""


def test_neither_the_import_nor_the_use_leaves_a_trace_in_the_process(small: Path, tmp_path: Path) -> None:
    library(tmp_path, 5)
    done = subprocess.run(
        [sys.executable, "-c", STATE, small], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], []]


FORKS = """
import multiprocessing, os, sys
import torch
import molmeta
from molmeta.scoring import Local

# No guard: a script that has none is what notebooks and newcomers write.
torch.set_num_threads(2)
model = molmeta.load(sys.argv[1])
torch.linalg.eigh(torch.eye(300).double() + torch.randn(300, 300).double() * 0)  # its threads start
(torch.randn(600, 600) @ torch.randn(600, 600)).sum()
model.predict(["CCO"] * 20)
print("begun", flush=True)
pids = []
for workers in (0, 1):
    pid = os.fork()
    if pid == 0:
        molmeta.score_library(model, "library.csv", f"out{workers}.csv", engine=Local(workers))
        os._exit(0)
    pids.append(pid)
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(len(pool.apply(model.predict, (["CCO", "c1ccccc1"],))))
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks of POSIX")
def test_a_forked_process_scores_the_same_and_does_not_hang(small: Path, tmp_path: Path) -> None:
    """OpenMP's threads are not in a process that was forked; torch would wait for them for ever."""
    library(tmp_path)
    model = molmeta.adapt(assays.path("bbb"), small, verdict=False)
    model.save(tmp_path / "bbb.molmeta")
    score_library(model, tmp_path / "library.csv", tmp_path / "whole.csv")
    (tmp_path / "script.py").write_text(FORKS)
    done = subprocess.run(
        [sys.executable, "script.py", "bbb.molmeta"], env={**os.environ, "OMP_NUM_THREADS": "2"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.stdout == "begun\n2\n[0, 0]\n", done.stderr
    for workers in (0, 1):
        assert (tmp_path / f"out{workers}.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_threads_and_processes_share_a_model(small: Path) -> None:
    model = molmeta.adapt(assays.path("logp"), small, verdict=False)
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    batches = [[line.split()[0] for line in lines[i : i + 40]] for i in range(0, 320, 40)]
    expected = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(model.predict, batches), expected, strict=True):
            pd.testing.assert_frame_equal(found, wanted)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(model.predict)(batch) for batch in batches[:2])
    for one, wanted in zip(found, expected, strict=False):
        pd.testing.assert_frame_equal(one, wanted)


def test_ten_runs_are_ten_times_the_same(small: Path, tmp_path: Path) -> None:
    rows, path = library(tmp_path), tmp_path / "bbb.molmeta"
    models, tables = set(), set()
    for i in range(10):
        adapted = molmeta.adapt(assays.path("bbb"), small, verdict=False)
        adapted.save(path, force=True)
        models.add(path.read_bytes())
        out = tmp_path / f"{i}.csv"
        score_library(adapted if i % 2 else molmeta.load(path), rows, out, engine=Local(i // 9))
        tables.add(out.read_bytes())
    assert len(models) == len(tables) == 1
