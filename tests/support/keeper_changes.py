"""What keepers do with a crowded table, to be stepped through or as a test begins."""

from collections.abc import Callable

from ringfence.engine.memory.segment import Segment
from support.crowded_table import (
    CROWD,
    FIRST,
    OTHERS,
    SECOND,
    THIRD,
    all_records,
    born,
    come_back,
    leave,
    reopened,
)
from support.single_step import Act
from support.small_table import START, SmallTable

Change = Callable[[SmallTable], None]


def leaves(table: SmallTable) -> None:
    leave(table, [FIRST])


def comes_back(table: SmallTable) -> None:
    come_back(table, [FIRST])


def both_come_back(table: SmallTable) -> None:
    come_back(table, [FIRST, SECOND])


def another_comes(table: SmallTable) -> None:
    table.quarantine(OTHERS[:1], born(OTHERS[0]))


def others_come(table: SmallTable) -> None:
    for number in OTHERS[:3]:
        table.quarantine([number], born(number))


def first_makes_room(table: SmallTable) -> None:
    leaves(table)
    another_comes(table)


def nothing(table: SmallTable) -> None:
    pass


def first_left_with_a_late_event(table: SmallTable) -> None:
    """A worker died behind the event, before it could take it back."""
    leaves(table)
    all_records(table.segment)[0]["entries"][3] = START + 200 << 32 | 1


def three_left(table: SmallTable) -> None:
    leave(table, [FIRST, THIRD, CROWD[5]])


def two_left_and_parted(table: SmallTable) -> None:
    leave(table, [FIRST, SECOND])
    assert table.writer.slots.part(2) == 2
    assert table.writer.slots.empty(1) == 1


def act_on(segment: Segment, change: Change) -> Act:
    """A keeper that makes a change."""
    table = reopened(segment)
    return lambda: change(table)


def begin_on(segment: Segment) -> Act:
    """The next keeper, beginning."""

    def begin() -> None:
        reopened(segment)

    return begin
