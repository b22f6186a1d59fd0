"""The laws of `Workers`: what is lost to a crash or a hang, what is not, and that nothing stays behind."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import molmeta.errors
import molmeta.scoring.serving
import molmeta.scoring.workers
from molmeta.errors import ConfigError, DeadlineError, InputError, ResourceError
from molmeta.scoring.workers import Faults, Workers, silent

# Worker processes import the works by this name; they get the path from this process.
sys.path.append(str(Path(__file__).parent))
works = importlib.import_module("works")


def run(work, jobs, number=1, **options):
    """The results, after a look at their jobs."""
    jobs = list(jobs)
    with Workers(work, number, **options) as pool:
        found = list(pool.map(jobs))
    assert [job for job, _ in found] == jobs
    return [result for _, result in found]


def gone(pid: int) -> bool:
    """Whether a process has ended, or ends within three seconds."""
    for _ in range(60):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def script(folder: Path, text: str) -> Path:
    """A script that can import the works and, as that is all they need, molmeta's errors and workers."""
    for module in (molmeta.errors, molmeta.scoring.serving, molmeta.scoring.workers):
        copy = folder / Path(*module.__name__.split(".")).with_suffix(".py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        (copy.parent / "__init__.py").touch()
        shutil.copy(module.__file__, copy)
    forked = Path(molmeta.scoring.workers.__file__).with_name("forked.py")  # for fork servers to import
    shutil.copy(forked, folder / "molmeta" / "scoring")
    path = folder / "script.py"
    path.write_text(f"import sys\nsys.path[:0] = {[str(folder), str(Path(__file__).parent)]}\n{text}")
    return path


def execute(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("number", [1, 2])
def test_results_come_in_order(number: int):
    jobs = [0.1, 0.0, 0.05, 0.0, 0.0]
    assert run(works.Slow(), jobs, number) == jobs


def test_no_jobs():
    assert run(works.Slow(), []) == []


def test_workers_run_side_by_side():
    with Workers(works.Slow(), 2) as pool:
        list(pool.map([0.0] * 4))
        began = time.monotonic()
        list(pool.map([0.4] * 4))
    assert time.monotonic() - began < 1.4


@pytest.mark.parametrize("number", [1, 2])
def test_jobs_are_read_as_they_are_needed(number: int):
    read = 0

    def endless() -> Iterator[list[int]]:
        nonlocal read
        for i in itertools.count():
            read = i + 1
            yield [i]

    with Workers(works.Rows(), number) as pool:
        for i, (job, result) in zip(range(10), pool.map(endless()), strict=False):
            assert job == result == [i]
            assert read <= i + 2 * number


@pytest.mark.parametrize("how", ["kill", "abort", "segfault", "exit"])
def test_crash_costs_one_row(how: str):
    bad = {0: how, 3: how, 7: how}
    first, second = run(works.Rows(bad), [[0, 1, 2, 3], [4, 5, 6, 7]], 2)
    assert first == ["crashed", 1, 2, "crashed"]
    assert second == [4, 5, 6, "crashed"]


@pytest.mark.parametrize("how", ["sleep", "hang", "stop"])
def test_hang_costs_one_row(how: str):
    began = time.monotonic()
    assert run(works.Rows({1: how}), [[0, 1, 2], [3]], deadline=0.5) == [[0, "timeout", 2], [3]]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("how", "reason"), [("kill", "crashed"), ("hang", "timeout")])
def test_block_that_crashes_is_done_one_by_one(how: str, reason: str):
    found = run(works.Rows({1: how, 6: how}, block=4), [list(range(10))], deadline=0.5)
    assert found == [[0, reason, 2, 3, 4, 5, reason, 7, 8, 9]]


def test_many_bad_rows_end_soon():
    began = time.monotonic()
    assert run(works.Rows(dict.fromkeys(range(50), "kill")), [list(range(60))]) == [
        ["crashed"] * 50 + list(range(50, 60))
    ]
    assert time.monotonic() - began < 15


def test_replaced_workers_leave_no_files_open():
    with Workers(works.Rows(dict.fromkeys(range(20), "kill")), 1) as pool:
        list(pool.map([[0, 99]]))
        before = psutil.Process().num_fds()
        list(pool.map([list(range(20))]))
        assert psutil.Process().num_fds() == before


def test_slow_rows_are_no_hang():
    assert run(works.Slow(rows=6), [1.5], deadline=0.5) == [1.5]


@pytest.fixture
def shared_processor() -> Iterator[int]:
    """A processor that four other processes want too."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("the system does not tell how long a process waits for a processor")
    (processor, *_) = os.sched_getaffinity(0)
    spin = f"import os; os.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(4)]
    yield processor
    for other in others:
        other.kill()
        other.wait()


def test_waiting_for_a_processor_is_no_hang(shared_processor: int):
    assert run(works.Busy(shared_processor), [0.5, 5.0], deadline=1.0) == [[], ["timeout"]]


def test_time_of_the_caller_is_no_hang():
    pids = set()
    with Workers(works.Large(), 1, deadline=0.5) as pool:
        for _, array in pool.map([1, 1, 1]):
            time.sleep(0.8)
            pids.update(array)
    assert len(pids) == 1


def test_large_arrays_pass():
    found = run(works.Large(), [20, 20, 20], 2)
    assert [array.nbytes for array in found] == [20 << 20] * 3
    assert all((array == array[0]).all() for array in found)


def test_death_while_sending_costs_nothing():
    found = []
    with Workers(works.Large(dying=True), 1) as pool:
        for _, array in pool.map([1, 1]):
            found.append(array)
            # Meanwhile the worker sends as much of the next array as the pipe holds, and dies.
            time.sleep(1)
    assert [array.nbytes for array in found] == [1 << 20] * 2
    assert [(array == array[0]).all() for array in found] == [True] * 2
    assert 0 != found[0][0] != found[1][0] != 0


@pytest.mark.parametrize(("how", "verb"), [("kill", "died"), ("hang", "hung")])
def test_death_at_no_row_is_an_error_in_the_end(how: str, verb: str):
    with pytest.raises(ResourceError, match=f"{verb} 3 times"):
        run(works.Unwatched(how), [1], deadline=0.3)


def test_death_at_no_row_is_forgiven(tmp_path: Path):
    assert run(works.Once(tmp_path), [1, 2, 3], 2) == [1, 2, 3]


def test_work_that_ignores_its_faults_is_given_up():
    with pytest.raises(ResourceError, match="died 3 times"):
        run(works.Stubborn(), [1])


def test_error_that_a_user_can_mend_travels_as_it_is():
    seen = []
    with Workers(works.Rows({2: "raise"}), 2) as pool, pytest.raises(InputError, match="a bad row") as caught:
        seen.extend(result for _, result in pool.map([[0], [1], [2], [3]]))
    assert seen == [[0], [1]]
    # A user can mend it, and is not told where in the code it was found.
    assert not hasattr(caught.value, "__notes__")


def test_exception_that_does_not_pickle_travels_as_text_and_says_where_it_was_raised():
    with pytest.raises(RuntimeError, match="Odd: odd 1 2") as caught:
        run(works.Rows({0: "raise oddly"}), [[0]])
    assert any("works.py" in note for note in caught.value.__notes__)


def test_result_that_does_not_pickle_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        run(works.Lambda(), [1])


def test_job_that_does_not_pickle_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        run(works.Slow(), [lambda: 1])


def test_workers_go_on_after_an_error():
    with Workers(works.Rows({2: "raise"}), 2) as pool:
        with pytest.raises(InputError):
            list(pool.map([[2], [3], [4]]))
        assert list(pool.map([[5], [6]])) == [([5], [5]), ([6], [6])]


def test_error_of_the_jobs_comes_after_the_results():
    def broken() -> Iterator[list[int]]:
        yield from ([i] for i in range(5))
        raise InputError("row 6 is broken")

    seen = []
    with Workers(works.Rows(), 2) as pool, pytest.raises(InputError, match="row 6"):
        seen.extend(result for _, result in pool.map(broken()))
    assert seen == [[i] for i in range(5)]


def test_one_map_at_a_time():
    with Workers(works.Slow(), 1) as pool:
        results = pool.map([0.0, 0.0])
        next(results)
        with pytest.raises(RuntimeError, match="another map"):
            next(pool.map([0.0]))
        results.close()
        assert list(pool.map([0.1])) == [(0.1, 0.1)]


def test_no_more_processes_than_jobs():
    with Workers(works.Slow(), 8) as pool:
        assert list(pool.map([0.0, 0.0])) == [(0.0, 0.0), (0.0, 0.0)]
        assert len(pool._workers) <= 2


def test_ended_workers_start_no_more():
    with Workers(works.Slow(), 1) as pool:
        pass
    with pytest.raises(RuntimeError, match="were ended"):
        list(pool.map([0.0]))
    with Workers(works.Slow(), 1) as pool:
        results = pool.map([0.0, 9.0])
        next(results)
    with pytest.raises(RuntimeError, match="were ended"):
        next(results)


@pytest.mark.parametrize(("number", "deadline"), [(0, 10.0), (-1, 10.0), (1, 0.0), (1, float("nan"))])
def test_impossible_settings(number: int, deadline: float):
    with pytest.raises(ConfigError, match="wanted"):
        Workers(works.Slow(), number, deadline)


def test_workers_have_one_thread_each_and_end():
    with Workers(works.Process(), 2) as pool:
        found = [result for _, result in pool.map(range(6))]
        pids = {pid for pid, _, _ in found}
        assert all(map(psutil.pid_exists, pids))
    assert len(pids) == 2
    assert {(threads, running) for _, threads, running in found} == {("1", 1)}
    assert all(map(gone, pids))


def test_parent_is_left_as_it_was():
    main, environment = sys.modules["__main__"], dict(os.environ)
    run(works.Slow(), [0.0])
    assert sys.modules["__main__"] is main
    assert dict(os.environ) == environment


def test_interrupt_kills_hung_workers_at_once(tmp_path: Path):
    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Workers(works.Hang(tmp_path), 2, deadline=3600.0) as pool:
        list(pool.map([1, 2, 3]))
    assert time.monotonic() - began < 10
    assert all(gone(int(file.stem)) for file in tmp_path.iterdir())


def test_workers_ignore_interrupts():
    pids = set()
    with Workers(works.Process(), 1) as pool:
        for _, (pid, *_) in pool.map(range(5)):
            pids.add(pid)
            os.kill(pid, signal.SIGINT)
    assert len(pids) == 1


SLOW_IMPORT = """
import os, pathlib, time

pathlib.Path(__file__).with_name(f"{os.getpid()}.pid").touch()
time.sleep(1)

class Work:
    pass
"""
EARLY = """
import time, slow
from molmeta.scoring.workers import Workers

with Workers(slow.Work(), 2):
    time.sleep(60)
"""


def test_interrupt_at_the_start_shows_one_traceback(tmp_path: Path):
    (tmp_path / "slow.py").write_text(SLOW_IMPORT)
    command = [sys.executable, script(tmp_path, EARLY)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as parent:
        # It and its fork server, which is in the midst of its imports.
        while len(list(tmp_path.glob("*.pid"))) < 2 and parent.poll() is None:
            time.sleep(0.05)
        os.killpg(parent.pid, signal.SIGINT)
        shown = parent.stderr.read()
    assert parent.returncode == -signal.SIGINT
    assert shown.count("Traceback") == shown.count("KeyboardInterrupt") == 1, shown


PATIENT = """
import works
from molmeta.scoring.workers import Workers

with Workers(works.Process(0.4), 1, deadline=0.8) as pool:
    for _, (pid, *_) in pool.map(range(3)):
        print(pid, flush=True)
"""


def test_suspended_run_is_no_hang(tmp_path: Path):
    command = [sys.executable, script(tmp_path, PATIENT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        pids = {parent.stdout.readline()}
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(1.2)
        os.killpg(parent.pid, signal.SIGCONT)
        pids.update(parent.stdout)
    assert parent.returncode == 0
    assert len(pids) == 1


HANGING = """
import pathlib, works
from molmeta.scoring.workers import Workers

list(Workers(works.Hang(pathlib.Path(sys.argv[1])), 2, 3600.0).map([1, 2]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, end: signal.Signals):
    pids = tmp_path / "pids"
    pids.mkdir()
    parent = subprocess.Popen([sys.executable, script(tmp_path, HANGING), pids])
    while len(list(pids.iterdir())) < 2 and parent.poll() is None:
        time.sleep(0.05)
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.send_signal(end)
    assert parent.wait(10) == -end
    assert len(list(pids.iterdir())) == 2
    assert all(gone(int(file.stem)) for file in pids.iterdir())
    assert all(gone(child.pid) for child in children)


UNGUARDED = """
import works
from molmeta.scoring.workers import Workers

print("imported", __name__)
with Workers(works.Rows({1: "kill"}), 2) as pool:
    print(list(pool.map([[0, 1], [2]])))
"""


@pytest.mark.parametrize("way", ["file", "stdin", "code"])
def test_script_needs_no_guard(tmp_path: Path, way: str):
    path = script(tmp_path, UNGUARDED)
    match way:
        case "file":
            elsewhere = tmp_path / "elsewhere"
            elsewhere.mkdir()
            (elsewhere / "random.py").write_text("raise SystemExit('the wrong module')")
            done = execute(path, cwd=elsewhere)
        case "stdin":
            done = execute("-", input=path.read_text())
        case _:
            done = execute("-c", path.read_text())
    assert done.stdout == "imported __main__\n[([0, 1], [0, 'crashed']), ([2], [2])]\n", done.stderr
    assert not done.stderr


def test_workers_without_a_fork_server(tmp_path: Path):
    only = "import multiprocessing\nmultiprocessing.get_all_start_methods = lambda: ['spawn']\n"
    done = execute(script(tmp_path, only + UNGUARDED))
    assert done.stdout == "imported __main__\n[([0, 1], [0, 'crashed']), ([2], [2])]\n", done.stderr


OWN_WORK = """
from molmeta.scoring.workers import Workers


class Work:
    def __call__(self, job, faults, watch):
        return job + 1


def main():
    with Workers(Work(), 2) as pool:
        print(list(pool.map([1, 2])))


"""


def test_script_with_its_own_work_needs_a_guard(tmp_path: Path):
    done = execute(script(tmp_path, OWN_WORK + "main()"))
    assert done.returncode == 1
    assert "ResourceError: a worker process did not start: exit code 1" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def test_script_with_its_own_work_and_a_guard(tmp_path: Path):
    done = execute(script(tmp_path, OWN_WORK + "if __name__ == '__main__':\n    main()"))
    assert done.stdout == "[(1, 2), (2, 3)]\n", done.stderr


def test_work_in_the_own_process():
    assert works.Rows()([1, 2], Faults(), silent) == [1, 2]


def test_a_job_that_takes_too_long_in_all_is_given_up_and_others_are_done():
    with Workers(works.Slow(rows=100), 1, deadline=5.0) as pool:
        assert list(pool.map([0.1], limit=5.0)) == [(0.1, 0.1)]
        began = time.monotonic()
        with pytest.raises(DeadlineError, match=r"longer than 0\.5 s"):
            list(pool.map([60.0], limit=0.5))
        assert time.monotonic() - began < 5
        assert list(pool.map([0.1], limit=5.0)) == [(0.1, 0.1)]


def test_a_stop_from_another_thread_ends_a_map():
    with Workers(works.Slow(rows=1000), 1) as pool:
        threading.Timer(0.3, pool.stop).start()
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="were ended"):
            list(pool.map([60.0]))
        assert time.monotonic() - began < 5


ENDLESS = """
import os, pathlib, time

pathlib.Path(__file__).with_name(f"{os.getpid()}.pid").touch()
time.sleep(60)
"""
LEAVING = """
import pathlib, time
from molmeta.scoring.workers import Workers


class Work:
    __module__ = "endless"


Workers(Work(), 1)
while not list(pathlib.Path(__file__).parent.glob("*.pid")):
    time.sleep(0.05)
"""


def test_a_fork_server_that_is_at_its_imports_ends_with_its_parent(tmp_path: Path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    done = execute(script(tmp_path, LEAVING))
    assert done.returncode == 0, done.stderr
    (server,) = (int(file.stem) for file in tmp_path.glob("*.pid"))
    assert gone(server)
