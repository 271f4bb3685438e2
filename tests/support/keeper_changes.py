"""What keepers do with a crowded table, to be stepped through or as a test begins."""

from collections.abc import Callable, Iterator

from ringfence.engine.memory.segment import Segment
from support.crowded_table import (
    CROWD,
    FIRST,
    OTHERS,
    SECOND,
    THIRD,
    all_records,
    born,
    call,
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


def part_on(segment: Segment) -> Act:
    """A keeper that takes a number out of the index that left; every other time it only begins."""
    begun: list[SmallTable] = []

    def part() -> None:
        if begun:
            assert begun.pop().writer.slots.part(1) == 1
        else:
            begun.append(reopened(segment))

    return part


Moments = Callable[[SmallTable], Iterator[None]]
"""A change with a pause after each part of it that others may see."""


def first_gives_its_slot(table: SmallTable) -> Iterator[None]:
    """Meanwhile all others go to an earlier place of the index."""
    leaves(table)
    yield
    another_comes(table)
    yield
    call(table, OTHERS[0])
    yield


def first_comes_back_elsewhere(table: SmallTable) -> Iterator[None]:
    """And its slot becomes another's."""
    leave(table, [FIRST, SECOND])
    yield
    _make_ready(table, 2)
    yield
    come_back(table, [FIRST])
    yield
    another_comes(table)
    yield
    call(table, OTHERS[0])
    yield


def first_and_third_swap(table: SmallTable) -> Iterator[None]:
    """Each comes back in the slot of the other."""
    leave(table, [FIRST, THIRD])
    yield
    _make_ready(table, 2)
    yield
    come_back(table, [FIRST])
    yield
    come_back(table, [THIRD])
    yield


def first_lives_again(table: SmallTable) -> Iterator[None]:
    """In its own slot, after another number's short life there."""
    leaves(table)
    yield
    another_comes(table)
    yield
    leave(table, OTHERS[:1], born(OTHERS[0]) + 1)
    yield
    _make_ready(table, 1)
    yield
    come_back(table, [FIRST])
    yield


def half_of_them_leave(table: SmallTable) -> Iterator[None]:
    """The index becomes short, one after the other."""
    for number in (FIRST, SECOND, CROWD[3]):
        leave(table, [number])
        yield
        _make_ready(table, 1)
        yield


CHANGES = (
    first_gives_its_slot,
    first_comes_back_elsewhere,
    first_and_third_swap,
    first_lives_again,
    half_of_them_leave,
)


def _make_ready(table: SmallTable, slots: int) -> None:
    assert table.writer.slots.part(slots) == slots
    assert table.writer.slots.empty(slots) == slots
