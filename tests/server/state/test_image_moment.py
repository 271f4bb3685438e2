"""What an image has is the keeper's state at one moment, though commands go on while it is read."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial

import pytest
from support.keeper_inside import KeeperInside, journal, run, segment
from support.kept_image import Written, read_image, stored, whole

from ringfence.engine.memory.segment import Segment
from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.state import image_moment, reservation_moment
from ringfence.server.state.ascending_ids import AscendingIds
from ringfence.server.state.book_entry import book_entry, row_data
from ringfence.server.state.keeper_image import StoredImage
from ringfence.server.state.reservation_book import ACTIVE, CANCELLED, ReservationBook
from ringfence.server.state.reservation_moment import ReservationMoment

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
LONG_AGO = 1_700_000_000
NOW = 1_750_000_000


def kept(place: int, *, state: int = ACTIVE, ended_at: int = 0) -> KeptReservation:
    return KeptReservation(
        id=f"{place:012x}", state=state, ended_at=ended_at, numbers=[FIRST + place], actor="bss"
    )


@pytest.mark.parametrize("seed", range(30))
def test_moment_has_the_reservations_of_then_and_no_others(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed={seed}")
    chance = random.Random(seed)
    monkeypatch.setattr(reservation_moment, "ENTRIES_MAX", 3)
    book, now, made = ReservationBook(ended_kept_s=50), NOW, 0

    def change() -> None:
        nonlocal now, made
        now += chance.randrange(3)
        live = [int(each.id, 16) for each in book if each.state == ACTIVE]
        if chance.randrange(2) or not live:
            made += 1
            book.place([kept(made)], now)
        else:
            book.place([kept(chance.choice(live), state=CANCELLED, ended_at=now)], now)

    reading: list[tuple[list[KeptReservation], ReservationMoment, list[bytes]]] = []
    for _ in range(120):
        for _ in range(chance.randrange(6)):
            change()
        if chance.randrange(8) == 0:
            reading.append((list(book), book.moment(), []))
        for then in list(reading):
            before, moment, found = then
            taken = moment.take()
            found.extend(taken)
            if not taken:
                moment.close()
                reading.remove(then)
                assert sorted(found) == sorted(row_data(book_entry(each).row) for each in before)


def test_moment_that_is_closed_is_told_no_more() -> None:
    book = ReservationBook(ended_kept_s=50)
    book.place([kept(1)], NOW)
    moment = book.moment()
    moment.close()
    moment.close()
    book.place([kept(1, state=CANCELLED, ended_at=NOW)], NOW)
    (taken,) = moment.take()
    assert KeptReservation.FromString(taken).state == CANCELLED  # of no use to anybody


class Counted(Mapping[str, bytes]):
    """A book of many reservations, which counts how many are looked at."""

    def __init__(self, rows: Mapping[str, bytes]) -> None:
        self._rows = rows
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all of them are looked at")

    def __getitem__(self, key: str) -> bytes:
        self.looked_at += 1
        return self._rows[key]


def test_what_is_done_at_once_does_not_grow_with_the_book(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reservation_moment, "ENTRIES_MAX", 20)
    row = book_entry(kept(1)).row
    ids = [f"{place:012x}" for place in range(5_000)]
    book = Counted(dict.fromkeys(ids, row))
    moment = ReservationMoment(AscendingIds(ids), book, lambda _: None)
    assert book.looked_at == 0
    found = 0
    while taken := moment.take():
        found += len(taken)
        assert book.looked_at <= 20
        book.looked_at = 0
    assert found == 5_000


def test_large_reservations_come_one_at_a_time() -> None:
    book = ReservationBook(ended_kept_s=50)
    large = kept(1)
    large.numbers.extend(range(FIRST, FIRST + 70_000))
    for place in range(1, 6):
        large.id = f"{place:012x}"
        book.place([large], NOW)
    moment = book.moment()
    book.place([kept(place) for place in range(3, 6)], NOW)
    sizes = []
    while taken := moment.take():
        sizes.append([len(KeptReservation.FromString(data).numbers) for data in taken])
    assert sizes == [[70_001] * 2, [70_001] * 2, [70_001]]


async def stock(inside: KeeperInside, *numbers: int) -> None:
    fields = {"quarantined_at": [LONG_AGO], "observed_since": [LONG_AGO]}
    answer = await inside.ask("QuarantineNumbers", numbers=numbers, pool="default", **fields)
    assert answer.accepted == len(numbers)


def test_commands_between_the_parts_of_an_image_are_not_in_it(
    segment, journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservation_moment, "ENTRIES_MAX", 2)
    images: list[StoredImage] = []

    class Busy(Written):
        """Commands come while each message is written."""

        def __init__(self, inside: KeeperInside) -> None:
            super().__init__()
            self._inside = inside

        async def write(self, message: bytes) -> None:
            await super().write(message)
            place = len(self.messages)
            made = await self._inside.ask("ReserveNumbers", pool="default", count=1)
            live = (await self._inside.ask("ListReservations", states=[1])).reservations
            await self._inside.ask("ConfirmReservation", id=live[0].id)
            await self._inside.ask("CancelReservation", id=made.id)
            await self._inside.ask("PutPool", pool={"name": f"p{place}", "policy": "default"})

    async def use(inside):
        await stock(inside, *range(FIRST, FIRST + 60))
        for _ in range(12):
            await inside.ask("ReserveNumbers", pool="default", count=1)
        made = await inside.ask("ReserveNumbers", pool="default", count=2)
        await inside.ask("ConfirmReservation", id=made.id)
        images.append(stored(inside.keeper.state.moment(), journal.last))
        written = Busy(inside)
        await inside.keeper.internal["ReadImage"](b"", written)
        assert len(written.messages) > 8
        images.append(written.image)
        states.append(whole(stored(inside.keeper.state.moment(), 0)))
        found.append({n: inside.keeper.state.hand_outs.find(n, inside.now) for n in numbers})

    async def again(inside):
        states.append(whole(stored(inside.keeper.state.moment(), 0)))
        found.append({n: inside.keeper.state.hand_outs.find(n, inside.now) for n in numbers})

    states, found, numbers = [], [], range(FIRST, FIRST + 60)
    run(segment, journal, use)
    then, image = map(whole, images)
    for each in (then, image):  # settled commands have one order, forgotten ones another
        each.reservations.sort()
    assert image == then
    for which in (*images, StoredImage()):
        run(Segment.create(None, capacity_numbers=100), journal, again, image=which)
    for state in states:
        state.ClearField("hand_out_runs")
        assert state == states[0]
    assert sum(each is not None for each in found[0].values()) >= 10
    assert found[1:] == [found[0]] * 3


def test_parts_are_made_beside_the_loop_and_none_is_large(
    segment, journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    for name in ("_policies", "_pools", "_reservations"):

        def seen(made: Callable[..., bytes], *arguments: object) -> bytes:
            threads.add(threading.current_thread().name)
            return made(*arguments)

        monkeypatch.setattr(image_moment, name, partial(seen, getattr(image_moment, name)))

    async def use(inside):
        await stock(inside, FIRST, FIRST + 1)
        made = await inside.ask("ReserveNumbers", pool="default", count=1)
        await inside.ask("ConfirmReservation", id=made.id)
        image = await read_image(inside.keeper)
        assert [run.rows for run in image.runs] == [1]

    run(segment, journal, use)
    assert {name.rpartition("_")[0] for name in threads} == {"beside-the-loop"}


def test_image_that_nobody_reads_on_lets_go_of_the_books(segment, journal) -> None:
    class Left:
        async def write(self, _: bytes) -> None:
            raise ConnectionError

    async def use(inside):
        with pytest.raises(ConnectionError):
            await inside.keeper.internal["ReadImage"](b"", Left())
        assert inside.keeper.state.reservations._moments == []
        with closing(inside.keeper.state.moment()):
            assert len(inside.keeper.state.reservations._moments) == 1
        assert inside.keeper.state.reservations._moments == []

    run(segment, journal, use)
