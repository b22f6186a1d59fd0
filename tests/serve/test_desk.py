"""What hangs, dies, or takes too long costs itself and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from pathlib import Path

import pytest

from molmeta.errors import DeadlineError
from molmeta.serve.answer import Illustrated
from molmeta.serve.desk import BusyError, Desk
from molmeta.serve.limits import Limits
from molmeta.serve.question import Adapting, Labelled, Line, Question, Ranking

# Worker processes import the works by this name; they get the path from this process.
sys.path.append(str(Path(__file__).parent))
answerings = importlib.import_module("answerings")


def lines(*structures: str, label: str = "") -> tuple[Line, ...]:
    """Rows of which each has its structure for a name."""
    return tuple(Line(i, one, one, label) for i, one in enumerate(structures, 1))


def asked(actives: tuple[str, ...], candidates: tuple[str, ...]) -> Adapting:
    boxes = {
        "actives": lines(*actives, label="1"),
        "inactives": lines("CCC", "CCCC", "Cc1ccccc1", label="0"),
    }
    return Adapting(Labelled(boxes, "test"), Ranking(lines(*candidates), pictures=3), verdict=False)


def answer(work: object, *questions: Question) -> list[Illustrated]:
    with Desk[Question, Illustrated](work, Limits(deadline=1.0)) as desk:
        desk.warm()
        return [asyncio.run(desk.ask(question)) for question in questions]


def predictions(found: Illustrated) -> dict[str, float]:
    return {one.text: one.predicted for one in found.answer.ranked}


def test_structures_that_kill_or_hang_cost_only_themselves():
    work = answerings.Fragile("fast", (), "cpu", {"CCN": "kill", "CCS": "hang", "CCCN": "kill"})
    good = asked(("CCO", "CCCO", "OCc1ccccc1"), ("CCCCO", "CCCCC"))
    bad = asked(("CCO", "CCN", "CCCO", "OCc1ccccc1"), ("CCCCO", "CCS", "CCCN", "CCCCC"))
    first, second, third = answer(work, good, bad, good)
    assert {(one.box, one.text, one.reason) for one in second.answer.rejected} == {
        ("actives", "CCN", "crashed"),
        ("compounds to rank", "CCS", "timeout"),
        ("compounds to rank", "CCCN", "crashed"),
    }
    assert predictions(first) == predictions(second) == predictions(third)
    assert second.answer.model.compounds == 6


def test_a_picture_that_kills_is_left_out():
    work = answerings.Fragile("fast", (), "cpu", pictures=True)
    (found,) = answer(work, asked(("CCO", "CCCO", "OCc1ccccc1"), ("CCCCO",)))
    assert len(found.answer.ranked) == 1
    assert not found.pictures


def test_every_compound_of_the_page_and_its_nearest_one_is_drawn():
    found = answer(
        answerings.Fragile("fast", (), "cpu"), asked(("CCO", "CCCO", "OCc1ccccc1"), ("CCCCO", "CCCCC"))
    )[0]
    for one in found.answer.ranked:
        assert "<svg" in found.pictures[one.smiles]
        assert one.nearest_smiles in found.pictures


def test_what_takes_too_long_is_stopped_and_the_next_is_answered():
    async def ask(desk: Desk[float, float]) -> float:
        with pytest.raises(DeadlineError, match=r"within 0\.5 s"):
            await desk.ask(60.0)
        return await desk.ask(0.01)

    with Desk[float, float](answerings.Sleepy(), Limits(seconds=0.5, deadline=1.0)) as desk:
        desk.warm()
        began = time.monotonic()
        assert asyncio.run(ask(desk)) == 0.01
        assert time.monotonic() - began < 30  # and not the 60 that were asked for


def test_so_many_wait_and_no_more():
    async def ask(desk: Desk[float, float]) -> list[object]:
        return await asyncio.gather(*(desk.ask(0.3) for _ in range(5)), return_exceptions=True)

    with Desk[float, float](answerings.Sleepy(), Limits(workers=2, waiting=1)) as desk:
        desk.warm()
        found = asyncio.run(ask(desk))
        assert found.count(0.3) == 3
        assert sum(isinstance(one, BusyError) for one in found) == 2
        assert asyncio.run(desk.ask(0.0)) == 0.0


def test_it_ends_at_once_whatever_is_under_way():
    async def begin(desk: Desk[float, float]) -> None:
        task = asyncio.ensure_future(desk.ask(60.0))
        await asyncio.sleep(0.3)
        task.cancel()

    began = time.monotonic()
    with Desk[float, float](answerings.Sleepy(), Limits()) as desk:
        runner = asyncio.new_event_loop()
        runner.run_until_complete(begin(desk))
    assert time.monotonic() - began < 8
    runner.close()
