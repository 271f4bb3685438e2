"""Robots, who call many numbers, and people, who call few; what a table knows of them."""

import os
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ringfence.engine.answers import Inserted
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Spray
from ringfence.engine.snapshot.record_blocks import spray_map_memory
from ringfence.engine.words import EventKind
from support.caller_model import number_mix
from support.siphash import caller_mark
from support.small_table import KEY, START, Event, SmallTable, make_table, take

DAY_S = 86_400
ROBOT, PERSON = 441632960900, 441632960901
CALLED = list(range(447700900000, 447700900100))
LATER = START + 400 * DAY_S  # the clock of these tests, behind all their events


def week_spray(**changes: int) -> Spray:
    """A caller of 8 numbers within 7 days is a robot, unless said."""
    return replace(Spray(8, 7 * DAY_S, callers=1024), **changes)


def mark_as_spray(segment: Segment, callers: Iterable[int]) -> None:
    """Sets the bits of callers in the map, as if they had called many numbers long ago."""
    spray_map = spray_map_memory(segment)
    for mark in (caller_mark(KEY, caller) for caller in callers):
        spray_map[mark >> 3] |= 1 << (mark & 7)


def robot_table(
    spray: Spray | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    ring_entries: int = 12,
) -> SmallTable:
    """A table of 100 quarantined numbers; robots call 8 of them within 7 days, unless said."""
    return make_table(
        path,
        numbers=CALLED,
        capacity_numbers=len(CALLED),
        ring_entries=ring_entries,
        spray=spray or week_spray(),
    )


def calls(
    numbers: Iterable[int],
    caller: int = ROBOT,
    *,
    first_s: int = 0,
    every_s: int = 1,
    kind: int = EventKind.CALL,
) -> list[Event]:
    """One event for each number, some seconds apart from START on."""
    return [(n, caller, START + first_s + i * every_s, kind) for i, n in enumerate(numbers)]


def decisions(inserted: Inserted) -> list[bool]:
    """Of each event that was taken: whether it was a spray caller's, so that it took no slot."""
    return [bool(int(entry) & 0x80) for entry in np.frombuffer(inserted.taken, "<u8")[1::2]]


def send(table: SmallTable, events: list[Event]) -> list[bool]:
    """Inserts events at once; returns what was decided of each."""
    return decisions(take(table.engine, events, LATER))


def robots_of(segment: Segment) -> set[int]:
    """The caller marks whose bits are set in the map."""
    cells = np.array(spray_map_memory(segment), np.uint8)  # others may change it meanwhile
    return {
        8 * at + bit
        for at in np.flatnonzero(cells).tolist()
        for bit in range(8)
        if cells[at] >> bit & 1
    }


def is_robot(table: SmallTable, caller: int = ROBOT) -> bool:
    """Whether the map knows a caller as spray."""
    return caller_mark(KEY, caller) in robots_of(table.segment)


def told_apart(numbers: Iterable[int], count: int) -> list[int]:
    """Numbers that even a table of one bucket tells apart, by 8 bits."""
    found = {number_mix(number) >> 56: number for number in numbers}
    return sorted(found.values())[:count]
