"""Reservations against the clock and against commands that come in between."""

import pytest
from support.keeper_inside import NOW, journal, run, segment

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.link.refusal import Refusal
from ringfence.server.state import reservation_book
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


def kept(index, *numbers, state=ACTIVE, expires_at=NOW + 60, ended_at=0, request_id=""):
    return KeptReservation(
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
    assert book.asked_before("", "a") is book.get(f"{1:012x}")
    book.place([], NOW + 100)
    assert book.asked_before("", "a") is None
    assert [each.id for each in book.following("", set(), set())] == [f"{2:012x}"]
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


def test_numbers_of_ended_reservations_are_bounded_too(monkeypatch):
    monkeypatch.setattr(reservation_book, "NUMBERS_MAX", 5)
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST, FIRST + 1, FIRST + 2)], NOW)
    book.place([kept(1, FIRST, FIRST + 1, state=CANCELLED, ended_at=NOW)], NOW)
    book.place([kept(2, FIRST)], NOW)
    book.check_room(2)
    with pytest.raises(Refusal) as caught:
        book.check_room(3)
    assert caught.value.reason == "QUOTA"
    assert "value=6, bound=5" in caught.value.text
    book.place([], NOW + 100)  # the ended one is forgotten
    book.check_room(4)
    with pytest.raises(Refusal):
        book.check_room(5)


def test_book_has_bounds(monkeypatch):
    monkeypatch.setattr(reservation_book, "RESERVATIONS_MAX", 2)
    monkeypatch.setattr(reservation_book, "LIVE_NUMBERS_MAX", 5)
    book = ReservationBook(ended_kept_s=100)
    book.place([kept(1, FIRST, FIRST + 1, FIRST + 2)], NOW)
    book.check_room(2)
    for numbers, value in ((3, "value=6, bound=5"), (10_000, "value=10003")):
        with pytest.raises(Refusal) as caught:
            book.check_room(numbers)
        assert caught.value.reason == "QUOTA"
        assert value in caught.value.text
    book.place([kept(2)], NOW)
    with pytest.raises(Refusal) as caught:
        book.check_room(0)
    assert "value=3, bound=2" in caught.value.text
