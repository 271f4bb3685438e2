"""What a worker inserts into a crowded table, to be stepped through: a late event of the first
number, between events of others.
"""

from collections.abc import Callable

from ringfence.engine.memory.segment import Segment
from support.crowded_table import CROWD, FIRST, NOW, THIRD
from support.engine import Engine
from support.small_table import BOB, KEY, START, Event, insert, take

WORKER = 3
LATE_S = START + 250

Count = tuple[int, int]
"""Events accepted and untracked."""
Insert = Callable[[], Count]

THE_EVENT: Event = (FIRST, BOB, LATE_S, 1)
AROUND: list[Event] = [(CROWD[1], BOB, LATE_S, 1), THE_EVENT, (THIRD, BOB, LATE_S, 1)]


def insert_one(segment: Segment) -> Insert:
    engine = Engine(segment, caller_key=KEY, worker=WORKER)
    return lambda: _count(engine, [THE_EVENT])


def insert_some(segment: Segment) -> Insert:
    engine = Engine(segment, caller_key=KEY, worker=WORKER)
    return lambda: _count(engine, AROUND)


def repeat_one(segment: Segment) -> Insert:
    """As a worker does with what its journal holds."""
    engine = Engine(segment, caller_key=KEY, worker=WORKER)
    taken = take(engine, [THE_EVENT], now=NOW).taken

    def again() -> Count:
        accepted = engine.repeat(taken)
        return accepted, 1 - accepted

    return again


INSERTS = (insert_one, insert_some, repeat_one)


def _count(engine: Engine, events: list[Event]) -> Count:
    done = insert(engine, events, now=NOW)
    assert done.rejected == 0
    return done.accepted, done.untracked
