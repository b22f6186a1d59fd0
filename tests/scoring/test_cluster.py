"""The engine `Ray`, on a cluster whose nodes are processes of this machine."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster
from rdkit import Chem

from molmeta import assays
from molmeta.bundle import versions
from molmeta.data.library import read_library
from molmeta.errors import ConfigError, InputError
from molmeta.predictor import Predictor
from molmeta.scoring import Local, score_library
from molmeta.scoring.cluster import Ray, _pool, _refusal
from molmeta.scoring.report import Progress

from .conftest import JUNK, spellings, write_smi

# Of Ray, which copies settings that it has deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")

OF_ITS_OWN = """
import sys
import pandas as pd
import molmeta
from molmeta.scoring import Local, score_library
from molmeta.scoring.cluster import Ray
model, frame = molmeta.load(sys.argv[1]), pd.read_csv(sys.argv[2], dtype=str)
score_library(model, frame, "plain.csv", chunk=100)
score_library(model, frame, "ray.csv", chunk=100, engine=Ray(actors=1))
"""


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one core each; the driver is on the first."""
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = Cluster(initialize_head=True, head_node_args=head)
        nodes.add_node(num_cpus=1)
        yield nodes
        nodes.shutdown()


def small(n: int) -> list[str]:
    """n spellings of the smallest drugs, 1 % of them junk."""
    lines = assays.path("drugs").read_text(encoding="utf-8").splitlines()
    mols = [Chem.MolFromSmiles(line.split()[0]) for line in lines]
    mols = sorted(mols, key=lambda mol: mol.GetNumAtoms())[:50]
    spelled = [Chem.MolToRandomSmilesVect(mol, n // 50, randomSeed=1) for mol in mols]
    texts = [text for row in zip(*spelled, strict=True) for text in row]
    return [JUNK[i % len(JUNK)] if i % 100 == 37 else text for i, text in enumerate(texts)]


def actors(cluster: Cluster) -> list[psutil.Process]:
    """Processes that score."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    children = [child for pid in raylets for child in psutil.Process(pid).children()]
    found = []
    for child in children:
        with suppress(psutil.Error):  # that has ended meanwhile
            if "MapWorker" in "".join(child.cmdline()[:1]):
                found.append(child)
    return found


def once(rows: int, act: Callable[[], object]) -> Callable[[Progress], None]:
    """A progress that acts when so many rows are done."""
    waiting = [act]

    def show(now: Progress) -> None:
        if now.rows >= rows and waiting:
            waiting.pop()()

    return show


def stop() -> None:
    raise Stop


def parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(f"{out}.parts").glob("*.part")}


def test_a_killed_actor_and_a_lost_node_do_not_show(
    cluster: Cluster, models: list[Predictor], tmp_path: Path
) -> None:
    library = write_smi(tmp_path / "lib.csv", small(50_000))
    killed: list[psutil.Process] = []

    def kill() -> None:
        killed.extend(actors(cluster))
        killed[0].kill()

    def lose() -> None:
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)

    steps = [once(12_000, kill), once(30_000, lose)]
    report = score_library(
        models[0],
        library,
        tmp_path / "ray.csv",
        chunk=1024,
        engine=Ray(cluster.address),
        progress=lambda now: [step(now) for step in steps] and None,
    )
    assert killed
    assert len(cluster.list_all_nodes()) == 1
    assert not ray.is_initialized()
    plain = score_library(models[0], library, tmp_path / "plain.csv", chunk=1024, engine=Local(0))
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    assert (report.read, report.scored, report.rejected) == (50_000, 49_500, plain.rejected)
    assert (report.best, report.notes) == (plain.best, plain.notes)


def test_it_goes_on_from_another_engine_up_to_where_the_library_breaks_off(
    cluster: Cluster, models: list[Predictor], tmp_path: Path
) -> None:
    table = write_smi(tmp_path / "lib.csv", spellings(1000)).read_bytes()
    torn = tmp_path / "lib.csv.gz"
    torn.write_bytes(gzip.compress(table, mtime=0)[:-2000])
    shares: list[float | None] = []
    with pytest.raises(Stop):
        score_library(models[0], torn, tmp_path / "ray.csv", chunk=64, progress=once(200, stop))
    assert 0 < len(parts(tmp_path / "ray.csv")) < 5
    with pytest.raises(InputError, match="cut off") as found:
        score_library(
            models[0],
            torn,
            tmp_path / "ray.csv",
            chunk=64,
            engine=Ray(cluster.address, actors=1),
            resume=True,
            progress=lambda now: shares.append(now.share),
        )
    with pytest.raises(InputError, match="cut off") as wanted:
        score_library(models[0], torn, tmp_path / "plain.csv", chunk=64)
    assert str(found.value) == str(wanted.value)
    assert len(parts(tmp_path / "ray.csv")) > 10
    assert parts(tmp_path / "ray.csv") == parts(tmp_path / "plain.csv")
    assert shares[-1] == 1


def test_a_cluster_of_its_own_is_quiet(models: list[Predictor], tmp_path: Path) -> None:
    models[0].save(tmp_path / "bbb.molmeta")
    write_smi(tmp_path / "lib.csv", spellings(500))
    done = subprocess.run(
        [sys.executable, "-c", OF_ITS_OWN, "bbb.molmeta", "lib.csv"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


def test_a_gpu_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_nodes(**found: float) -> None:
        monkeypatch.setattr(ray, "cluster_resources", lambda: found)

    with_nodes(CPU=16.0)
    assert _pool(None, "cpu") == (16, 0.0)
    assert _pool(3, "cpu") == (3, 0.0)
    with pytest.raises(ConfigError, match="the Ray cluster has none"):
        _pool(None, "cuda")
    with_nodes(CPU=16.0, GPU=1.0)
    assert _pool(None, "cuda") == (8, 0.125)
    assert _pool(1, "cuda") == (1, 1.0)
    with_nodes(CPU=5.0, GPU=2.0)
    assert _pool(None, "cuda") == (5, 0.3333)


def test_a_node_with_other_versions_does_not_score() -> None:
    assert _refusal(versions()) is None
    assert "rdkit" in str(_refusal(versions() | {"rdkit": "2020.3"}))


def test_bad_requests_are_told(tmp_path: Path) -> None:
    library = read_library(write_smi(tmp_path / "lib.csv", ["CCO"]))
    nobody: Any = None
    with pytest.raises(ConfigError, match="actors = 0"):
        Ray(actors=0)
    with pytest.raises(ConfigError, match=r"no Ray cluster at 127\.0\.0\.1:1 "):
        list(Ray("127.0.0.1:1").run(library, bool, nobody))
    with pytest.raises(ConfigError, match="a stream"):
        list(Ray().run(read_library(io.BytesIO(b"smiles\nCCO\n")), bool, nobody))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "molmeta.scoring.cluster")
    with pytest.raises(ConfigError, match=r"pip install 'molmeta\[ray\]'"):
        importlib.import_module("molmeta.scoring.cluster")
