"""A worker stopped anywhere in a look, while numbers leave and their slots become others'.

What it then says of a number was true of that number when it began, when it ended, or in between;
and of a number that nobody touched it is what was true all the time.
"""

import os
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import pytest
from support.crowded_table import crowded_table, image_of, put_image, reopened
from support.keeper_changes import CHANGES, Moments
from support.looks import LOOKS, Look, Said, look_by
from support.single_step import UNSETTLED, SteppedProcess

from ringfence.engine.memory.segment import Segment

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("RINGFENCE_STRIDE", "1"))


def said_meanwhile(segment: Segment, look: Look, change: Moments) -> list[set[Said]]:
    """What is said in each moment of a change."""
    return [{*look()}, *({*look()} for _ in change(reopened(segment)))]


def changed_at_once(changing: Iterator[None], stops: Iterator[int]) -> None:
    """The keeper does everything while the worker is stopped."""
    list(changing)


def changed_step_by_step(changing: Iterator[None], stops: Iterator[int]) -> None:
    """The worker goes on a little, and so does the keeper."""
    for _ in changing:
        next(stops, None)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("prepare", LOOKS)
def test_answer_is_what_was_true_of_the_number(
    tmp_path: Path, prepare: Callable[[Segment], Look], change: Moments
) -> None:
    table = crowded_table(path := tmp_path / "segment")
    before = image_of(table.segment)
    moments = said_meanwhile(table.segment, look_by(table.segment, prepare), change)
    true_once, true_always = set(chain(*moments)), set.intersection(*moments)
    put_image(table.segment, before)
    with SteppedProcess(path, look_by, prepare) as worker:
        accesses = sum(1 for _ in worker.accesses())
        assert {*worker.answer()} == moments[0]
        for stop in range(0, accesses + 1, STRIDE):
            for keeper in (changed_at_once, changed_step_by_step):
                put_image(table.segment, before)
                stops = worker.accesses()
                at = [*islice(stops, stop + 1)][-1:]
                keeper(change(reopened(table.segment)), stops)
                said = worker.answer()
                told = f"stop {stop} at {at}, {keeper.__name__}: {said}"
                assert said != UNSETTLED, told
                assert {*said} <= true_once, f"{told}, true: {true_once}"
                assert true_always <= {*said}, f"{told}, true: {true_always}"
    print(f"{prepare.__name__}, {change.__name__}: accesses={accesses}")
    assert accesses > 4
