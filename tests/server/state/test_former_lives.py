"""The book of former lives: what it knows, what it forgets, and how much it may hold."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.keeper_inside import NOW, journal, run, segment
from support.kept_image import read_image

from ringfence.engine.words import FORMER_LIFE_S
from ringfence.server.link.refusal import Refusal
from ringfence.server.state import former_lives, former_runs
from ringfence.server.state.former_lives import LEAST_MOST, RECENT_MAX, FormerLives
from ringfence.server.state.former_runs import FORMER_LIFE, RUN_ROWS_MAX

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
MANY = 999 * 10**9
SINCE = 1_700_000_000


def leave(lives: FormerLives, numbers: Sequence[int], since: int = SINCE) -> None:
    lives.leave(np.array(numbers, np.uint64), np.full(len(numbers), since, np.uint64))


def leave_many(lives: FormerLives, first: int, count: int, since: int = SINCE) -> None:
    leave(lives, range(MANY + first, MANY + first + count), since)


def told(lives: FormerLives, *numbers: int) -> list[int]:
    found: list[int] = lives.last_tracked(np.array(numbers, np.uint64)).tolist()
    return found


def rows_of(lives: FormerLives) -> list[tuple[int, int]]:
    return [row for each in lives.runs() for row in each.rows.tolist()]


def test_number_is_known_from_the_moment_it_left_and_others_are_not() -> None:
    lives = FormerLives(10)
    assert told(lives, FIRST) == [0]
    leave(lives, [FIRST, FIRST + 2])
    assert told(lives, FIRST + 2, FIRST + 1, FIRST) == [SINCE, 0, SINCE]
    lives.runs()  # no longer in the dictionary
    assert told(lives, FIRST + 2, FIRST + 1, FIRST, FIRST + 3) == [SINCE, 0, SINCE, 0]


def test_last_life_of_a_number_counts_wherever_the_others_lie() -> None:
    lives = FormerLives(10)
    leave_many(lives, 0, RUN_ROWS_MAX - 1, SINCE)
    leave_many(lives, 0, 2, SINCE + 400)
    lives.runs()
    leave_many(lives, 1, 1, SINCE + 800)
    assert told(lives, MANY, MANY + 1, MANY + 2) == [SINCE + 400, SINCE + 800, SINCE]


def test_life_that_ended_by_a_large_command_is_later_than_those_that_ended_one_by_one() -> None:
    lives = FormerLives(10)
    leave_many(lives, 0, 2, SINCE)
    leave_many(lives, 1, RECENT_MAX, SINCE + 400)
    lives.runs()
    assert told(lives, MANY, MANY + 1) == [SINCE, SINCE + 400]


def test_what_left_becomes_runs_of_some_length_with_each_number_once() -> None:
    lives = FormerLives(10)
    for turn in range(3):
        leave_many(lives, turn * RECENT_MAX // 2, RECENT_MAX, SINCE + turn)
    leave_many(lives, 10**6, RUN_ROWS_MAX, SINCE + 3)
    for number in range(10):
        leave(lives, [FIRST + number], SINCE + 4)
    first, *others = lives.runs()
    assert len(first) == 2 * RECENT_MAX
    assert [len(each) for each in others] == [RUN_ROWS_MAX, 10]
    assert all((np.diff(each.number.astype(np.int64)) > 0).all() for each in lives.runs())
    assert len(lives) == 2 * RECENT_MAX + RUN_ROWS_MAX + 10


def test_runs_that_an_image_reads_stay_as_they_are() -> None:
    lives = FormerLives(10)
    leave(lives, [FIRST])
    (before,) = lives.runs()
    leave(lives, [FIRST, FIRST + 1], SINCE + 400)
    lives.runs()
    lives.forget(SINCE + 10_000)
    assert before.rows.tolist() == [(FIRST, SINCE)]


def test_run_is_forgotten_once_all_of_it_lies_behind_the_older_snapshot() -> None:
    lives = FormerLives(10)
    leave(lives, [FIRST], SINCE)
    leave(lives, [FIRST + 1], SINCE + 5)
    lives.runs()
    lives.forget(SINCE + 5 + FORMER_LIFE_S - 1)
    assert told(lives, FIRST, FIRST + 1) == [SINCE, SINCE + 5]
    lives.forget(SINCE + 5 + FORMER_LIFE_S)
    assert told(lives, FIRST, FIRST + 1) == [0, 0]
    assert len(lives) == 0


def test_what_is_over_does_not_come_into_the_book_and_never_matters_again() -> None:
    lives = FormerLives(10)
    lives.forget(SINCE + FORMER_LIFE_S)
    lives.forget(0)  # a snapshot was taken away
    assert lives.over == SINCE
    leave(lives, [FIRST], SINCE)
    leave(lives, [FIRST + 1], SINCE + 1)
    assert told(lives, FIRST, FIRST + 1) == [0, SINCE + 1]


def test_look_for_a_number_copies_no_run() -> None:
    lives = FormerLives(10)
    leave_many(lives, 0, RUN_ROWS_MAX)
    told(lives, MANY)
    tracemalloc.start()
    try:
        assert told(lives, MANY + 1) == [SINCE]
        assert tracemalloc.get_traced_memory()[1] < RUN_ROWS_MAX
    finally:
        tracemalloc.stop()


def test_what_a_table_has_in_free_slots_becomes_runs_that_an_image_can_send(monkeypatch) -> None:
    assert RUN_ROWS_MAX * FORMER_LIFE.itemsize < 2 << 20, "a message is at most 4 MiB"
    monkeypatch.setattr(former_runs, "RUN_ROWS_MAX", 64)
    lives = FormerLives(10)
    rows = np.empty(3 * 64, FORMER_LIFE)
    rows["number"] = np.random.default_rng(1).permutation(len(rows)) + MANY
    rows["since"] = SINCE + np.arange(len(rows))
    lives.load(rows)
    assert [len(each) for each in lives.runs()] == [64] * 3
    assert dict(rows_of(lives)) == dict(rows.tolist())
    lives.forget(SINCE + FORMER_LIFE_S + 64)
    assert len(lives) == 2 * 64, "those that left first go first"


def test_number_that_two_free_slots_bore_is_loaded_with_its_last_life() -> None:
    lives = FormerLives(10)
    rows = [(FIRST, SINCE + 400), (FIRST + 1, SINCE), (FIRST, SINCE)]
    lives.load(np.array(rows, FORMER_LIFE))
    lives.load(np.array(rows[1:], FORMER_LIFE))  # and a snapshot has it too
    assert rows_of(lives) == [(FIRST, SINCE + 400), (FIRST + 1, SINCE)]


turns = st.lists(
    st.one_of(
        st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True),
        st.sampled_from(["runs", "load"]),
    ),
    max_size=20,
)


@settings(max_examples=30)
@given(turns)
def test_book_says_of_each_number_what_a_dictionary_says(turns: list[list[int] | str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(former_lives, "RECENT_MAX", 8)
        patch.setattr(former_runs, "RUN_ROWS_MAX", 16)
        lives, dumb, since = FormerLives(10), dict.fromkeys(range(FIRST, FIRST + 41), 0), SINCE
        for turn in turns:
            since += 1
            if turn == "runs":
                lives.runs()
            elif turn == "load":
                rows = np.array(rows_of(lives), FORMER_LIFE)
                lives = FormerLives(10)
                lives.load(rows)
            else:
                numbers = [FIRST + each for each in turn]
                leave(lives, numbers, since)
                dumb.update(dict.fromkeys(numbers, since))
            assert told(lives, *dumb) == list(dumb.values())


@pytest.mark.parametrize(("capacity", "most"), [(10, LEAST_MOST), (10**6, 2 * 10**6)])
def test_book_may_hold_two_lives_for_each_number_that_there_is_room_for(
    capacity: int, most: int
) -> None:
    assert FormerLives(capacity).most == most


def test_full_book_takes_no_number_into_the_table_until_some_are_forgotten(segment, journal):
    async def use(inside):
        lives = inside.keeper.state.former_lives
        lives.most = 5
        numbers = list(range(FIRST, FIRST + 4))
        await inside.ask("QuarantineNumbers", numbers=numbers, pool="default")
        await inside.ask("RestoreNumbers", numbers=numbers)
        with pytest.raises(Refusal, match="left lately: new numbers=2, free=1, bound=5") as caught:
            await inside.ask("QuarantineNumbers", numbers=[FIRST + 8, FIRST + 9], pool="default")
        assert caught.value.reason == "TABLE_FULL"
        await inside.ask("QuarantineNumbers", numbers=[FIRST + 8], pool="default")
        lives.runs()
        lives.forget(NOW + FORMER_LIFE_S)
        await inside.ask("QuarantineNumbers", numbers=[FIRST + 9], pool="default")

    run(segment, journal, use)


def test_former_lives_are_in_the_image_and_the_next_keeper_knows_them(segment, journal):
    images = []

    async def leave_and_be_displaced(inside):
        numbers = list(range(FIRST, FIRST + 100))
        await inside.ask("QuarantineNumbers", numbers=numbers, pool="default")
        await inside.ask("RestoreNumbers", numbers=numbers)
        slots = inside.writer.slots
        assert (slots.part(100), slots.empty(100)) == (100, 100), "no header says it any more"
        images.append(await read_image(inside.keeper))

    async def look(inside):
        inside.now += 1
        found = inside.keeper.state.former_lives
        assert told(found, FIRST, FIRST + 99, FIRST + 100) == [NOW, NOW, 0]
        early = await inside.ask("QuarantineNumbers", numbers=[FIRST], pool="default")
        assert early.rejected == 1

    run(segment, journal, leave_and_be_displaced)
    run(segment, journal, look, image=images[0])
