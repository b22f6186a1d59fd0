"""A server and labs, each a process, over HTTP: what they end with, also where some are killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from molmeta.checkpoint import load_checkpoint
from molmeta.federated import shared
from molmeta.federated.average import STATE, Average
from molmeta.federated.plan import read_federated

from .conftest import go, new_lab

MOLMETA = [sys.executable, "-m", "molmeta.cli", "federate"]
ROUNDS = 5


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Federation:
    """Commands of a server and its labs, in a folder."""

    def __init__(self, folder: Path, plan: Path, data: list[Path], port: int) -> None:
        self.folder, self.plan, self.data, self.port = folder, plan, data, port
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *options: object, plan: Path | None = None) -> subprocess.Popen[str]:
        """Starts "server", or the lab of that number."""
        out, plan = self.folder / name, plan or self.plan
        if name == "server":
            words = [*MOLMETA, "server", plan, "-o", out, "--port", self.port, *options]
        else:
            words = [*MOLMETA, "client", plan, f"127.0.0.1:{self.port}", "-o", out, "--device", "cpu"]
            words += ["--data", self.data[int(name)], *options]
        if "--certificate" not in options and "--authorities" not in options:
            words.append("--insecure")
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        log = (self.folder / f"{name}.log").open("a")
        process = subprocess.Popen(
            [str(w) for w in words], stdout=log, stderr=log, text=True, env=environment
        )
        log.close()
        self.running[name] = process
        return process

    def start_patched_server(self, script: Path) -> None:
        """Starts a server through a script that changes something of it first."""
        words = [sys.executable, script, "federate", "server", self.plan, "-o", self.folder / "server"]
        words += ["--port", self.port, "--insecure"]
        with (self.folder / "server.log").open("w") as log:
            self.running["server"] = subprocess.Popen(
                [str(w) for w in words], stdout=log, stderr=log, text=True
            )

    def kill(self, name: str) -> None:
        """As kill -9 does."""
        self.running[name].kill()
        self.running[name].wait()

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def wait(self, *names: str, seconds: float = 240) -> None:
        """Until these have ended, well."""
        for name in names or tuple(self.running):
            code = self.running[name].wait(timeout=seconds)
            assert code == 0, f"{name}: exit {code}\n{self.said(name)}"

    def wait_for_round(self, number: int, seconds: float = 120) -> None:
        """Until the server has done so many rounds."""
        last = time.monotonic() + seconds
        log = self.folder / "server" / "federation.jsonl"
        while not log.exists() or len(log.read_text().splitlines()) < number:
            assert time.monotonic() < last, self.said("server")
            time.sleep(0.1)


@contextmanager
def federation(folder: Path, plan: Path, data: list[Path]) -> Iterator[Federation]:
    made = Federation(folder, plan, data, free_port())
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
            process.wait()


Changed = Callable[..., Path]


@pytest.fixture
def changed(plan_file: Path, tmp_path: Path) -> Changed:
    """A plan with other lines in [federated]."""

    def change(*lines: str) -> Path:
        path = tmp_path / f"plan{len(list(tmp_path.glob('plan*')))}.toml"
        path.write_text("\n".join([plan_file.read_text(encoding="utf-8").strip(), *lines]) + "\n")
        return path

    return change


def without_network(plan: Path, data: list[Path], folder: Path) -> Average:
    """The same rounds, with the mean as it is."""
    config = read_federated(plan)
    average = Average(config, folder / "server")
    go(average, [new_lab(config, folder / str(i), source) for i, source in enumerate(data)])
    return average


@pytest.mark.parametrize("lines", [(), ("secure = false",)], ids=["secure", "plain"])
def test_labs_end_with_the_mean_of_what_they_learned(
    changed: Changed, lab_folders: list[Path], tmp_path: Path, lines: tuple[str, ...]
) -> None:
    plan = changed("most = 1000", *lines)  # beside which labs of 200 measurements weigh enough
    with federation(tmp_path, plan, lab_folders) as run:
        for name in ("0", "1", "server", "2"):  # labs may come before the server
            run.start(name)
        run.wait()
        log = [json.loads(line) for line in (tmp_path / "server/federation.jsonl").read_text().splitlines()]
        said = run.said("server")
    expected = without_network(plan, lab_folders, tmp_path / "without").values()
    # Secure aggregation rounds; the model is stored in half precision.
    found = shared.arrays(shared.whole(load_checkpoint(tmp_path / "server")))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
    assert [line["round"] for line in log] == [1, 2, 3, 4, 5]
    assert {line["labs"] for line in log} == {3}
    size = 4 * sum(part.size for part in expected)
    assert all(3 * size < line["bytes_out"] < 3 * (size + 60_000) for line in log)
    assert "round 5 of 5 (prior)" in said
    for i in range(3):
        own = load_checkpoint(tmp_path / str(i))
        assert len(own.seen)
        for ours, theirs in zip(shared.arrays(shared.whole(own)), found, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_server_sees_no_update_of_a_lab(
    changed: Changed, lab_folders: list[Path], tmp_path: Path
) -> None:
    """What comes to the server from one lab is noise: whole numbers of the whole range, unlike its update."""
    script = tmp_path / "watching.py"
    script.write_text(
        "import sys, json, numpy as np\n"
        "from flwr.common import bytes_to_ndarray\n"
        "from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key\n"
        "from molmeta.federated.flower import exchange\n"
        "whole = exchange.Exchange._whole\n"
        "seen = []\n"
        "def watched(self, answer):\n"
        "    message = whole(self, answer)\n"
        "    if message.has_content():\n"
        "        content = message.content\n"
        "        assert not any(len(record) for record in content.array_records.values())\n"
        "        masked = content.config_records.get(RECORD_KEY_CONFIGS, {}).get(Key.MASKED_PARAMETERS)\n"
        "        if masked:\n"
        "            seen.append([bytes_to_ndarray(part).ravel()[:20000].tolist() for part in masked])\n"
        f"            json.dump(seen, open({str(tmp_path / 'seen.json')!r}, 'w'))\n"
        "    return message\n"
        "exchange.Exchange._whole = watched\n"
        "from molmeta.cli.__main__ import main\n"
        "sys.argv = ['molmeta', *sys.argv[1:]]\n"
        "main()\n"
    )
    with federation(tmp_path, changed(), lab_folders) as run:
        run.start_patched_server(script)
        for name in "012":
            run.start(name)
        run.wait()
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert len(seen) == 3 * ROUNDS
    for vectors in seen:
        numbers = np.concatenate(
            [np.asarray(part, dtype=float) for part in vectors if len(part) > 100] or [[]]
        )
        if len(numbers) > 1000:  # of the trunk
            share = np.histogram(numbers, bins=8, range=(0, 2**32))[0] / len(numbers)
            assert share == pytest.approx(np.full(8, 1 / 8), abs=0.02)


@pytest.mark.parametrize("round_done", [1, 3])
def test_a_lab_that_is_killed_comes_back(
    changed: Changed, lab_folders: list[Path], tmp_path: Path, round_done: int
) -> None:
    with federation(tmp_path, changed(), lab_folders) as run:
        for name in ("server", "0", "1", "2"):
            run.start(name)
        run.wait_for_round(round_done)
        run.kill("1")
        run.start("1", "--resume")
        run.wait()
    shared_ = shared.arrays(shared.whole(load_checkpoint(tmp_path / "server")))
    for i in range(3):
        own = shared.arrays(shared.whole(load_checkpoint(tmp_path / str(i))))
        for ours, theirs in zip(own, shared_, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_server_that_is_killed_goes_on_and_labs_wait_for_it(
    changed: Changed, lab_folders: list[Path], tmp_path: Path
) -> None:
    with federation(tmp_path, changed(), lab_folders) as run:
        for name in ("server", "0", "1", "2"):
            run.start(name)
        run.wait_for_round(2)
        run.kill("server")
        assert (tmp_path / "server" / STATE).exists()
        refused = run.start("server")
        assert refused.wait(timeout=60) == 5
        assert "--resume" in run.said("server")
        run.start("server", "--resume")
        run.wait()
        log = [json.loads(line) for line in (tmp_path / "server/federation.jsonl").read_text().splitlines()]
    assert [line["round"] for line in log] == [1, 2, 3, 4, 5]


def test_other_configurations_are_refused(changed: Changed, lab_folders: list[Path], tmp_path: Path) -> None:
    ours, theirs = changed(), changed("clip = 1.0")
    with federation(tmp_path, ours, lab_folders) as run:
        server = run.start("server")
        for name in "012":
            run.start(name, plan=theirs)
        assert server.wait(timeout=120) == 3
        assert "all but [data] must be the same file" in run.said("server").replace("\n", " ")


def test_a_server_may_not_aggregate_fewer_labs_than_agreed(
    changed: Changed, lab_folders: list[Path], tmp_path: Path
) -> None:
    """A server that would unmask with fewer shares is refused by the labs themselves."""
    script = tmp_path / "lower.py"
    script.write_text(
        "import sys\n"
        "from molmeta.federated.flower import server\n"
        "strict = server.SecAggPlusWorkflow\n"
        "server.SecAggPlusWorkflow = lambda shares, least, **rest: strict(shares, least - 1, **rest)\n"
        "from molmeta.cli.__main__ import main\n"
        "sys.argv = ['molmeta', *sys.argv[1:]]\n"
        "main()\n"
    )
    plan = tmp_path / "three.toml"
    plan.write_text(changed().read_text().replace("least = 2", "least = 3"))
    with federation(tmp_path, plan, lab_folders) as run:
        run.start_patched_server(script)
        for name in "012":
            run.start(name)
        assert run.running["server"].wait(timeout=120) == 3
        said = " ".join(run.said("server").split())
    assert "agreed are 3 to 3 labs" in said
    assert not (tmp_path / "server" / STATE).exists()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    import datetime
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "server.pem", folder / "server.key"


def key_pair(folder: Path, name: str, public: bool = True) -> Path:
    """As ssh-keygen -t ecdsa -b 384 makes them; the public one goes to the folder "known"."""
    key = ec.generate_private_key(ec.SECP384R1())
    path = folder / name
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    if public:
        (folder / "known").mkdir(exist_ok=True)
        (folder / "known" / f"{name}.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        )
    return path


def test_an_encrypted_server_lets_in_labs_that_it_knows(
    changed: Changed, lab_folders: list[Path], tmp_path: Path
) -> None:
    pem, key = certificate(tmp_path)
    keys = [key_pair(tmp_path, f"lab{i}") for i in range(3)]
    stranger = key_pair(tmp_path, "stranger", public=False)
    with federation(tmp_path, changed(), lab_folders) as run:
        run.start("server", "--certificate", pem, "--key", key, "--labs", tmp_path / "known")
        for options in (("--key", stranger), ()):
            late = run.start("0", "--authorities", pem, *options)
            assert late.wait(timeout=60) == 3, run.said("0")
            (tmp_path / "0").rename(tmp_path / f"refused {len(options)}")
        assert "its key must be among those of the server" in " ".join(run.said("0").split())
        assert "give --key" in run.said("0")
        for i in range(3):
            run.start(str(i), "--authorities", pem, "--key", keys[i])
        run.wait()
    assert load_checkpoint(tmp_path / "server").info["federated"]["rounds"] == ROUNDS


def test_connections_are_not_left_unencrypted_by_accident(changed: Changed, tmp_path: Path) -> None:
    words = [*MOLMETA, "server", str(changed()), "-o", str(tmp_path / "server")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "give --certificate and --key, or --insecure" in " ".join(done.stderr.split())


def test_what_is_no_address_is_told_before_assays_are_read(changed: Changed, tmp_path: Path) -> None:
    words = [*MOLMETA, "client", str(changed()), "localhost", "--insecure", "--data", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "give HOST:PORT" in done.stderr
