"""Reservations against the clock and against commands that come in between."""

import asyncio
import gc

import pytest
from support.keeper_inside import NOW, journal, run, segment

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.reservations import leases, reservation_service
from ringfence.server.link.refusal import Refusal
from ringfence.server.state import reservation_book
from ringfence.server.state.book_entry import book_entry
from ringfence.server.state.parted_dict import PartedDict
from ringfence.server.state.reservation_book import ACTIVE, CANCELLED, ReservationBook

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
BRISK = {
    "name": "brisk",
    "rules": [{"measure": 1, "limit": 0, "window": {"seconds": 10}}],
    "quiet_period": {"seconds": 1},
}


async def stock(inside, *numbers, pool="brisk"):
    await inside.ask("PutPolicy", policy=BRISK)
    await inside.ask("PutPool", pool={"name": pool, "policy": "brisk"})
    times = [NOW - 9_000 + number % 100 for number in numbers]
    await inside.ask(
        "QuarantineNumbers",
        numbers=numbers,
        pool=pool,
        quarantined_at=times,
        observed_since=times,
    )


async def reserve(inside, count, **fields):
    made = await inside.ask("ReserveNumbers", pool="brisk", count=count, **fields)
    return list(made.numbers)


def test_number_that_is_clean_again_is_taken_at_its_new_place_before_the_next_sweep(
    segment, journal
):
    async def use(inside):
        await stock(inside, FIRST, FIRST + 1, FIRST + 2)
        made = await inside.ask("ReserveNumbers", pool="brisk", count=3)
        await inside.ask("CancelReservation", id=made.id)
        await inside.keeper.candidates.look(1, "")
        inside.call(FIRST)
        inside.now += 30
        assert inside.verdicts(FIRST) == [1]
        assert await reserve(inside, 3) == [FIRST + 1, FIRST + 2, FIRST]

    run(segment, journal, use)


def test_number_that_a_command_frees_is_the_next_one_again(segment, journal):
    async def use(inside):
        await stock(inside, *range(FIRST, FIRST + 5))
        for free in ("CancelReservation", "HoldNumbers", "lease"):
            made = await inside.ask("ReserveNumbers", pool="brisk", count=1)
            assert list(made.numbers) == [FIRST]
            if free == "CancelReservation":
                await inside.ask(free, id=made.id)
            elif free == "HoldNumbers":
                await inside.ask(free, numbers=[FIRST])
                await inside.ask("UnholdNumbers", numbers=[FIRST])
            else:
                inside.now += 1_800
        assert await reserve(inside, 2) == [FIRST, FIRST + 1]

    run(segment, journal, use)


def test_lease_ends_in_its_second_and_not_before(segment, journal):
    async def use(inside):
        await stock(inside, FIRST)
        made = await inside.ask("ReserveNumbers", pool="brisk", count=1, lease={"seconds": 5})
        inside.now += 4
        with pytest.raises(Refusal):
            await reserve(inside, 1)
        inside.now += 1
        assert await reserve(inside, 1) == [FIRST]
        assert (await inside.ask("GetReservation", id=made.id)).state == 4

    run(segment, journal, use)


def test_leases_that_end_in_one_second_are_expired_some_at_a_time(segment, journal, monkeypatch):
    monkeypatch.setattr(leases, "RESERVATIONS_A_COMMAND", 2)
    monkeypatch.setattr(leases, "NUMBERS_A_COMMAND", 5)

    async def use(inside):
        numbers = range(FIRST, FIRST + 14)
        await stock(inside, *numbers)
        ids = []
        for count in (1, 1, 1, 6, 2, 3):
            made = await inside.ask(
                "ReserveNumbers", pool="brisk", count=count, lease={"seconds": 5}
            )
            ids.append(made.id)
        before = journal.last
        inside.now += 5
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        last = await inside.ask("GetReservation", id=ids[-1])  # it is told when all are expired
        beside.cancel()
        assert last.state == 4
        values = [value for _, value in keeper_values(journal, before) if value.reservations]
        ended = [[each.id for each in value.reservations] for value in values]
        assert ended == [ids[:2], ids[2:3], ids[3:4], ids[4:]]
        assert [len(value.current) for value in values] == [2, 1, 6, 5]
        rows = [list(value.row_reservations) for value in values]
        assert rows == [[1, 2], [1], [1] * 6, [1, 1, 2, 2, 2]]
        assert turns > len(values)
        assert await reserve(inside, 14) == list(numbers)

    run(segment, journal, use)


def test_clock_that_steps_back_revives_no_lease(segment, journal):
    async def use(inside):
        await stock(inside, FIRST)
        made = await inside.ask("ReserveNumbers", pool="brisk", count=1, lease={"seconds": 5})
        inside.now += 5
        assert (await inside.ask("GetReservation", id=made.id)).state == 4
        inside.now -= 5
        with pytest.raises(Refusal) as caught:
            await inside.ask("ConfirmReservation", id=made.id)
        assert caught.value.reason == "WRONG_STATE"
        assert await reserve(inside, 1) == [FIRST]

    run(segment, journal, use)


def listed(book, last=0, *, pools=(), states=(), most=100):
    """The reservations of a page, and behind which one the next one begins; 0 = there is none."""
    page, behind = book.page(f"{last:012x}" if last else "", set(pools), set(states), most)
    return [int(entry.id, 16) for entry in page], int(behind or "0", 16)


def kept(index, *numbers, state=ACTIVE, expires_at=NOW + 60, ended_at=0, request_id="", **fields):
    return KeptReservation(
        **fields,
        id=f"{index:012x}",
        state=state,
        numbers=numbers,
        expires_at=expires_at,
        ended_at=ended_at,
        request_id=request_id,
    )


def test_ended_reservation_and_its_request_are_forgotten_together():
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST, request_id="a"), kept(2)], NOW)
    book.place([kept(1, state=CANCELLED, ended_at=NOW, request_id="a")], NOW)
    book.place([], NOW + 99)
    assert book.asked_before("", "a") == book.get(f"{1:012x}")
    book.place([], NOW + 100)
    assert book.asked_before("", "a") is None
    assert listed(book) == ([2], 0)
    assert len(book) == 1
    with pytest.raises(Refusal):
        book.get(f"{1:012x}")


def test_leases_are_due_oldest_first_by_their_last_end():
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(n, expires_at=NOW + n) for n in range(1, 6)], NOW)
    book.place([kept(2, expires_at=NOW + 9)], NOW)
    for _ in range(2):  # until a command ends them
        assert [int(each.id, 16) for each in book.due(NOW + 5, 3)] == [1, 3, 4]
    assert book.due(NOW, 3) == []
    assert len(book.due(NOW + 9, 10)) == 5


def test_lease_that_was_extended_leaves_nothing_of_its_former_end():
    book = ReservationBook(ended_kept_s=100)
    for later_s in range(50):
        book.place([kept(1, FIRST, expires_at=NOW + later_s)], NOW)
    book.place([kept(2, FIRST + 1, expires_at=NOW + 1)], NOW)
    assert len(book._leases._ids) == 2
    assert [int(each.id, 16) for each in book.due(NOW + 60, 9)] == [2, 1]
    assert sorted(book._leases._known) == [NOW + 1, NOW + 49]  # those that were over are gone


def test_due_ones_have_no_more_numbers_than_asked_for_unless_it_is_one():
    book = ReservationBook(ended_kept_s=100)
    for index, count in enumerate((3, 1, 1, 9), 1):
        numbers = range(FIRST + 10 * index, FIRST + 10 * index + count)
        book.place([kept(index, *numbers, expires_at=NOW + index)], NOW)
    assert [len(each.numbers) for each in book.due(NOW + 9, 9, 4)] == [3, 1]
    assert [len(each.numbers) for each in book.due(NOW + 9, 9, 2)] == [3]


def test_few_of_those_that_ended_long_ago_are_forgotten_by_each_command(monkeypatch):
    monkeypatch.setattr(reservation_book, "FORGOTTEN_A_COMMAND", 3)
    book = ReservationBook(ended_kept_s=100)
    book.place([ended(n) for n in range(1, 9)], NOW)
    left = []
    for _ in range(4):
        book.place([], NOW + 100)
        left.append(len(book))
    assert left == [5, 2, 0, 0]


def test_reservations_that_are_kept_are_nothing_for_the_garbage_collector():
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST, request_id="a"), ended(2)], NOW)
    leases, ended_ones = book._leases, book._ended
    lines = (leases._ids, ended_ones._all, ended_ones._by_actor)
    held = [each for owner in (book, leases, *lines) for each in vars(owner).values()]
    parted = [each for each in held if isinstance(each, PartedDict)]
    assert len(parted) == 4 + 1 + 3 * 4
    assert not any(gc.is_tracked(part) for each in parted for part in each._parts)


def test_pages_of_a_filter_are_bounded_by_what_is_looked_at(monkeypatch):
    monkeypatch.setattr(reservation_book, "LOOKED_AT_MAX", 2)
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(n, pool=n % 2) for n in range(1, 10)], NOW)
    assert listed(book, most=9) == (list(range(1, 10)), 0)
    assert listed(book, most=4) == ([1, 2, 3, 4], 4)
    assert listed(book, pools=[1], most=2) == ([1, 3], 4)
    assert listed(book, 4, pools=[1], most=2) == ([5, 7], 8)
    assert listed(book, 8, pools=[1], most=2) == ([9], 0)
    assert listed(book, states=[CANCELLED], most=1) == ([], 3)
    assert listed(book, 6, states=[CANCELLED], most=1) == ([], 0)


def ended(index, *numbers, ended_at=NOW, **fields):
    return kept(index, *numbers, state=CANCELLED, ended_at=ended_at, **fields)


def refusals(count):
    return [{"number": FIRST + number, "verdict": 9} for number in range(count)]


def test_ended_reservations_leave_live_ones_their_room(monkeypatch):
    monkeypatch.setattr(reservation_book, "NUMBERS_MAX", 6)
    monkeypatch.setattr(reservation_book, "RESERVATIONS_MAX", 4)
    book = ReservationBook(ended_kept_s=100)
    for index in range(1, 9):
        book.check_room("", 3)
        book.place([kept(index, FIRST, FIRST + 1, FIRST + 2)], NOW)
        book.place([ended(index, FIRST, FIRST + 1, FIRST + 2)], NOW)
    assert listed(book) == ([7, 8], 0)
    for index in range(9, 13):
        book.check_room("", 1)
        book.place([kept(index, FIRST + index)], NOW)
    assert listed(book) == ([9, 10, 11, 12], 0)
    with pytest.raises(Refusal, match="reservations: value=5, bound=4"):
        book.check_room("", 1)


def test_ended_reservations_of_who_takes_the_room_go_first(monkeypatch):
    monkeypatch.setattr(reservation_book, "NUMBERS_MAX", 6)
    book = ReservationBook(ended_kept_s=100)
    book.place([ended(1, FIRST, actor="quiet", request_id="a")], NOW)
    for index in range(2, 20):
        book.place([ended(index, FIRST, FIRST + 1, actor="busy", request_id=str(index))], NOW)
    assert listed(book) == ([1, 18, 19], 0)
    assert book.asked_before("quiet", "a") == book.get(f"{1:012x}")
    assert book.asked_before("busy", "17") is None
    book.place([kept(20, FIRST, FIRST + 1, actor="new")], NOW)  # it has none: the oldest of all
    assert listed(book) == ([18, 19, 20], 0)


def test_page_of_reservations_has_a_bound_of_its_own(segment, journal, monkeypatch):
    monkeypatch.setattr(reservation_service, "PAGE_MAX", 2)

    async def use(inside):
        await stock(inside, *range(FIRST, FIRST + 3))
        for _ in range(3):
            await reserve(inside, 1)
        first = await inside.ask("ListReservations", page_size=10)
        second = await inside.ask(
            "ListReservations", page_size=10, page_token=first.next_page_token
        )
        assert (len(first.reservations), len(second.reservations)) == (2, 1)
        assert not second.next_page_token

    run(segment, journal, use)


def test_those_that_were_cancelled_keep_nobody_from_reserving(segment, journal, monkeypatch):
    monkeypatch.setattr(reservation_book, "NUMBERS_MAX", 50)

    async def use(inside):
        await stock(inside, FIRST, FIRST + 1)
        unknown = range(FIRST + 100, FIRST + 109)
        for index in range(9):
            made = await inside.ask(
                "ReserveNumbers",
                pool="brisk",
                numbers=[FIRST, *unknown],
                allow_partial=True,
                actor="busy",
                request_id=str(index),
            )
            assert (len(made.numbers), len(made.refused)) == (1, 9)
            await inside.ask("CancelReservation", id=made.id)
        assert await reserve(inside, 2, actor="other") == [FIRST, FIRST + 1]
        again = await inside.ask(
            "ReserveNumbers",
            pool="brisk",
            numbers=[FIRST, *unknown],
            allow_partial=True,
            actor="busy",
            request_id="8",
        )
        assert (again.id, again.state, list(again.numbers)) == (made.id, ACTIVE, [FIRST])

    run(segment, journal, use)


def test_actor_has_a_share_of_what_live_reservations_may_take(monkeypatch):
    monkeypatch.setattr(reservation_book, "NUMBERS_MAX", 9)
    monkeypatch.setattr(reservation_book, "ACTOR_NUMBERS_MAX", 5)
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST + 9, refused=refusals(3), actor="busy")], NOW)
    book.check_room("busy", 1)
    with pytest.raises(Refusal, match="numbers of an actor: value=6, bound=5") as caught:
        book.check_room("busy", 1, 1)
    assert caught.value.reason == "QUOTA"
    book.check_room("other", 5)
    with pytest.raises(Refusal, match="numbers of reservations: value=10, bound=9"):
        book.check_room("other", 1, 5)
    book.place([ended(1, FIRST + 9, refused=refusals(3), actor="busy")], NOW)
    book.check_room("busy", 1, 4)


def test_book_that_is_loaded_forgets_in_the_same_order():
    book = ReservationBook(ended_kept_s=100)
    live = [kept(4, FIRST, request_id="d"), kept(1, FIRST + 1)]
    ends = [ended(2), ended(3, request_id="c", ended_at=NOW - 9)]
    book.load(map(book_entry, [*live, *ends]), made=9)
    assert (listed(book), book.made) == (([1, 2, 3, 4], 0), 9)
    assert sorted(each.id for each in book) == [f"{index:012x}" for index in range(1, 5)]
    assert book.holder(FIRST) == f"{4:012x}"
    book.place([], NOW + 91)
    assert listed(book) == ([1, 2, 4], 0)
    book.place([], NOW + 100)
    assert listed(book) == ([1, 4], 0)


def test_whole_reservation_is_as_it_was_placed():
    book = ReservationBook(ended_kept_s=100)
    placed = kept(
        1, FIRST, refused=refusals(2), actor="bss", first_response=b"first", request_digest=b"same"
    )
    book.place([placed], NOW)
    assert book.get(placed.id) == placed
    assert list(book) == book.due(NOW + 60, 9) == [placed]


def test_book_has_bounds(monkeypatch):
    monkeypatch.setattr(reservation_book, "RESERVATIONS_MAX", 2)
    monkeypatch.setattr(reservation_book, "LIVE_NUMBERS_MAX", 5)
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST, FIRST + 1, FIRST + 2)], NOW)
    book.check_room("", 2)
    for numbers, value in ((3, "value=6, bound=5"), (10_000, "value=10003")):
        with pytest.raises(Refusal) as caught:
            book.check_room("", numbers)
        assert caught.value.reason == "QUOTA"
        assert value in caught.value.text
    book.place([kept(2)], NOW)
    with pytest.raises(Refusal) as caught:
        book.check_room("", 0)
    assert "value=3, bound=2" in caught.value.text
