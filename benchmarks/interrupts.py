"""Commands that are interrupted at random moments: how long until the prompt is back, and what stays behind?

    python benchmarks/interrupts.py --moments 120

Each command runs once undisturbed, then again and again until a signal comes: Ctrl-C once or twice and a
hang-up as terminals send them, to all processes of the command; SIGTERM as schedulers do, to the first.
Signals come from the first line of molmeta on, when Python itself has started (Linux, by /proc).
Prints for each command the slowest time from the signal to the prompt, how it ended, and what should not be
there: tracebacks, processes, temporary files, outputs that differ from those of the undisturbed command.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from harness import save

import molmeta
from molmeta import assays

WAYS = ("Ctrl-C", "Ctrl-C twice", "SIGTERM", "SIGHUP")
ENDS = {"Ctrl-C": 130, "Ctrl-C twice": 130, "SIGTERM": 143, "SIGHUP": 129}
PATIENCE = 60.0  # seconds until a command counts as one that never ends

TRAIN = """
name = "tiny"
[data]
train = "table.csv"
valid = "table.csv"
valid_roles = []
reserve = 0
workers = 1
[encoder]
name = "fingerprint"
width = 64
depth = 1
dim = 32
[heads.evidence]
dim = 32
[pretrain]
epochs = 20
batch_size = 16
validate_every = 10
[episodic]
steps = 10
episodes = 2
k_max = 8
query = 8
validate_every = 5
[validation]
support_sizes = [8]
draws = 2
"""


@dataclass(frozen=True)
class Command:
    """A command line, and the files that it writes; one with `endless` seconds does not end by itself."""

    words: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    endless: float = 0.0  # in which it is interrupted


@dataclass
class Seen:
    """What was seen of a command."""

    slowest: float = 0.0
    interrupts: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", default="fast")
    made.add_argument("--moments", type=int, default=120)
    made.add_argument("--only", nargs="*", default=[], help="commands, by name")
    made.add_argument("--rows", type=int, default=6000, help="of the library")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, help="JSON")
    options = made.parse_args()
    # A shell has what it starts in the background ignore Ctrl-C, and nohup a hang-up; children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    draws = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        commands = prepared(Path(folder), options)
        whole = {name: undisturbed(one, Path(folder, f"whole-{name}")) for name, one in commands.items()}
        seen = {name: Seen() for name in commands}
        for number in range(options.moments):
            name = list(commands)[number % len(commands)]
            way = WAYS[number // len(commands) % len(WAYS)]
            after = draws.uniform(0.0, commands[name].endless or whole[name][0])
            interrupt(commands[name], way, after, Path(folder, str(number)), whole[name][1], seen[name])
    show(seen)
    if options.out:
        rows = [{"command": name, **vars(one)} for name, one in seen.items()]
        save(options.out, {"commands": rows})


def prepared(folder: Path, options: argparse.Namespace) -> dict[str, Command]:
    """The commands, on files that are made for them."""
    assay, model, library = str(assays.path("bbb")), str(folder / "bbb.molmeta"), str(folder / "lib.csv")
    molmeta.adapt(assay, options.model, verdict=False).save(model)
    drugs = [line.split("\t") for line in assays.path("drugs").read_text(encoding="utf-8").splitlines()]
    rows = [f"{i},{drugs[i % len(drugs)][0]}" for i in range(options.rows)]
    Path(library).write_text("\n".join(["id,smiles", *rows]) + "\n", encoding="utf-8")
    table = [
        f"A{a},{smiles},{label},{10 ** (4 - 2 * label)},{5 + 2 * label},="
        for a, other in enumerate("CNSP")
        for n in range(2, 30)
        for smiles, label in ((f"{'C' * n}O", 1), (f"{'C' * n}{other}", 0))
    ]
    header = "assay,smiles,label,value,p_value,relation"
    (folder / "table.csv").write_text("\n".join([header, *table]) + "\n")
    (folder / "tiny.toml").write_text(TRAIN)
    measured = ["smiles,bbb", *(f"{smiles},{i % 2}" for i, (smiles, *_) in enumerate(drugs[:12]))]
    (folder / "new.csv").write_text("\n".join(measured) + "\n")
    score = ("score", model, library, "-o", "out.csv")
    found = {
        "check": Command(("check", assay)),
        "adapt": Command(("adapt", assay, "--model", options.model, "-o", "m.molmeta"), ("m.molmeta",)),
        "update": Command(("update", model, str(folder / "new.csv"), "-o", "m.molmeta"), ("m.molmeta",)),
        "score, no workers": Command((*score, "--workers", "0"), ("out.csv",)),
        "score, 2 workers": Command((*score, "--workers", "2"), ("out.csv",)),
        "score, the best": Command((*score, "--workers", "1", "--top", "500"), ("out.csv",)),
        "suggest": Command(("suggest", model, library, "-o", "next.csv"), ("next.csv",)),
        "explain": Command(("explain", model, "CCO", "c1ccccc1CCN")),
        "report": Command(("report", model, "-o", "r.html"), ("r.html",)),
        "evaluate": Command(
            ("evaluate", str(folder / "table.csv"), "--model", options.model, "-k", "8", "--out", "e.csv"),
            ("e.csv",),
        ),
        "train": Command(("train", str(folder / "tiny.toml"), "--data", str(folder), "-o", "run")),
        "serve": Command(("serve", model, "--model", options.model, "--port", "0"), endless=15.0),
    }
    return {name: one for name, one in found.items() if not options.only or name in options.only}


def start(command: Command, folder: Path) -> subprocess.Popen[bytes]:
    """The command, in a session of its own as in a terminal of its own."""
    folder.mkdir()
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "molmeta.cli", *command.words],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=(folder / "stdout").open("wb"),
        stderr=(folder / "stderr").open("wb"), start_new_session=True,
    )  # fmt: skip


def undisturbed(command: Command, folder: Path) -> tuple[float, dict[str, bytes]]:
    """Seconds that a command takes, and what it writes."""
    if command.endless:
        return command.endless, {}
    began = time.monotonic()
    process = start(command, folder)
    if process.wait():
        raise SystemExit(f"{command.words[0]} failed:\n{(folder / 'stderr').read_text()}")
    return time.monotonic() - began, {name: (folder / name).read_bytes() for name in command.outputs}


def interrupt(
    command: Command, way: str, after: float, folder: Path, whole: Mapping[str, bytes], seen: Seen
) -> None:
    """Starts a command, interrupts it after so many seconds, and looks at what it leaves."""
    process = start(command, folder)
    await_first_line(process)
    time.sleep(after)
    if process.poll() is not None:
        return
    began = time.monotonic()
    send(process, way)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        seen.faults["never ended"] += 1
    took = time.monotonic() - began
    seen.interrupts += 1
    seen.slowest = max(seen.slowest, took)
    code = process.returncode
    # A shell says 128 + the number of a signal that ended a process.
    code = 128 - code if code is not None and code < 0 else code
    seen.ends[f"{way}: {code}"] += 1
    wrong = {
        "prompt after more than 5 s": lambda: took > 5,
        "exit code": lambda: code not in (ENDS[way], 0),
        "traceback": lambda: noisy((folder / "stderr").read_text(errors="replace")),
        "processes": lambda: bool(left(process.pid)),
        "temporary files": lambda: stray(folder),
        "half-written": lambda: any(
            (folder / name).exists() and (folder / name).read_bytes() != content
            for name, content in whole.items()
        ),
        "no resume line": lambda: (
            (folder / "out.csv.parts" / "manifest.json").exists()
            and way != "Ctrl-C twice"
            and "--resume" not in (folder / "stderr").read_text()
        ),
    }
    note(wrong, f"{way} after {after:.2f} s, {took:.1f} s, {code}", folder, seen)


def await_first_line(process: subprocess.Popen[bytes]) -> None:
    """Waits until Python has started and the command begins, which then takes Ctrl-C out of Python's hands.

    What Python says that is interrupted before that is not the command's.
    """
    caught = False
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        now = bool(int(status.split("SigCgt:")[1].split()[0], 16) & 1 << (signal.SIGINT - 1))
        if caught and not now:
            return
        caught = now
        time.sleep(0.001)


def note(wrong: Mapping[str, Callable[[], bool]], when: str, folder: Path, seen: Seen) -> None:
    found = [name for name, is_so in wrong.items() if is_so()]
    seen.faults.update(found)
    if found:
        said = (folder / "stderr").read_text(errors="replace")
        seen.examples.append(f"{', '.join(found)} ({when}): {sorted(os.listdir(folder))}\n{said[-3000:]}")


def send(process: subprocess.Popen[bytes], way: str) -> None:
    if way == "SIGTERM":
        process.terminate()
    elif way == "SIGHUP":
        os.killpg(process.pid, signal.SIGHUP)
    else:
        os.killpg(process.pid, signal.SIGINT)
        if way == "Ctrl-C twice":
            time.sleep(0.3)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)


def noisy(said: str) -> bool:
    return any(word in said for word in ("Traceback", "Exception ignored", "Error:", "Fatal"))


def stray(folder: Path) -> bool:
    """Whether files are left under names that nobody knows, which no later run would take away."""
    return any(path.suffix == ".tmp" and ".parts" not in path.parent.name for path in folder.rglob("*"))


def left(session: int) -> list[int]:
    """Processes of a session that are still there after a second; they are then ended."""
    found: list[int] = []
    for _ in range(20):
        found = [pid for pid in psutil.pids() if of(pid, session)]
        if not found:
            return []
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found


def of(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def show(seen: Mapping[str, Seen]) -> None:
    print("| command | interrupts | slowest, s | exit codes | faults |\n|---|---|---|---|---|")
    for name, one in seen.items():
        ends = ", ".join(f"{end} ({count})" for end, count in sorted(one.ends.items()))
        faults = ", ".join(f"{fault} ({count})" for fault, count in one.faults.items()) or "none"
        print(f"| {name} | {one.interrupts} | {one.slowest:.1f} | {ends} | {faults} |")
    total, slowest = sum(one.interrupts for one in seen.values()), max(one.slowest for one in seen.values())
    faults = sum(sum(one.faults.values()) for one in seen.values())
    print(f"\n{total} interrupts, slowest {slowest:.1f} s to the prompt, {faults} faults")
    for name, one in seen.items():
        for example in one.examples:
            print(f"\n{name}: {example}", file=sys.stderr)


if __name__ == "__main__":
    main()
