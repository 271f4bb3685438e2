"""What a snapshot has of the keeper: all commands up to its position, and none is lost."""

import asyncio

import pytest
from support.keeper_inside import NOW, KeeperInside, journal, run, segment
from support.kept_image import read_image, stored, whole

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import FORMER_LIFE_S
from ringfence.server.journal.keeper_values import headers_of, keeper_values
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.keeper_image import StoredImage

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
LONG_AGO = 1_700_000_000


async def stock(inside: KeeperInside, *numbers: int) -> None:
    fields = {"quarantined_at": [LONG_AGO], "observed_since": [LONG_AGO]}
    answer = await inside.ask("QuarantineNumbers", numbers=numbers, pool="default", **fields)
    assert answer.accepted == len(numbers)


def test_image_has_every_command_up_to_its_position(segment, journal):
    images = []

    async def use(inside):
        await stock(inside, *range(FIRST, FIRST + 8))
        await inside.ask("ReserveNumbers", pool="default", count=1)
        for _ in range(6):  # commands that are decided while the image is taken
            told = await asyncio.gather(
                inside.ask("ReserveNumbers", pool="default", count=1),
                read_image(inside.keeper),
                inside.ask("ReserveNumbers", pool="default", count=1, lease={"seconds": 1}),
                inside.ask("PutPool", pool={"name": "another", "policy": "default"}),
                return_exceptions=True,
            )
            images.append(told[1])
            inside.now += 2

    async def look(inside):
        found.append(whole(stored(inside.keeper.state.moment(), 0)))

    run(segment, journal, use)
    found = []
    for image in (StoredImage(), *images):
        run(segment, journal, look, image=image)
    for other in found[1:]:
        assert other == found[0]
    assert found[0].reservations_made >= 8


def test_keeper_that_begins_with_an_image_knows_what_the_dead_one_knew(segment, journal):
    images = []

    async def first(inside):
        await stock(inside, *range(FIRST, FIRST + 6))
        kept = [
            await inside.ask(
                "ReserveNumbers", pool="default", count=1, actor="bss", request_id=f"r{n}"
            )
            for n in range(4)
        ]
        await inside.ask("ConfirmReservation", id=kept[0].id)
        await inside.ask("CancelReservation", id=kept[1].id)
        await inside.ask("ReportComplaint", number=FIRST)
        images.append((await read_image(inside.keeper), kept))

    async def second(inside):
        kept = images[0][1]
        again = await inside.ask(
            "ReserveNumbers", pool="default", count=1, actor="bss", request_id="r0"
        )
        assert again == kept[0]
        states = [(await inside.ask("GetReservation", id=each.id)).state for each in kept]
        assert states == [2, 3, 1, 1]
        made = await inside.ask("ReserveNumbers", pool="default", count=1)
        assert list(made.numbers) == [FIRST + 1]
        assert made.id > kept[-1].id
        status = (await inside.ask("ListPools")).pools[0]
        assert (status.assigned_total, status.complaints) == (1, 1)
        await inside.ask("ReportComplaint", number=FIRST)
        inside.now += 3_600
        assert (await inside.ask("GetReservation", id=kept[2].id)).state == 4

    run(segment, journal, first)
    run(segment, journal, second, image=images[0][0])


def test_places_of_deleted_settings_are_not_taken_again_after_an_image(segment, journal):
    images = []

    async def first(inside):
        rules = [{"measure": 1, "limit": 0, "window": {"seconds": 1}}]
        for name in ("mild", "brief"):
            await inside.ask("PutPolicy", policy={"name": name, "rules": rules})
        await inside.ask("PutPool", pool={"name": "east", "policy": "brief"})
        await inside.ask("PutPool", pool={"name": "brief", "policy": "brief"})
        await inside.ask(
            "QuarantineNumbers",
            numbers=[FIRST],
            pool="brief",
            quarantined_at=[LONG_AGO],
            observed_since=[LONG_AGO],
        )
        made = await inside.ask("ReserveNumbers", pool="brief", count=1)
        await inside.ask("ConfirmReservation", id=made.id)
        inside.now += FORMER_LIFE_S
        await inside.ask("QuarantineNumbers", numbers=[FIRST], pool="brief")
        await inside.ask("RestoreNumbers", numbers=[FIRST])
        await inside.ask("DeletePool", name="brief")
        await inside.ask("PutPool", pool={"name": "east", "policy": "mild"})
        await inside.ask("DeletePolicy", name="brief")
        images.append(await read_image(inside.keeper))

    async def second(inside):
        inside.now += 10
        await inside.ask("ReportComplaint", number=FIRST)  # of a policy that is gone
        await inside.ask("PutPool", pool={"name": "late", "policy": "mild"})
        status = {each.pool.name: each for each in (await inside.ask("ListPools")).pools}
        assert status["late"].assigned_total == status["late"].complaints == 0

    run(segment, journal, first)
    run(segment, journal, second, image=images[0])


def test_deleting_a_pool_is_answered_once_and_for_all(segment, journal):
    async def first(inside):
        await inside.ask("PutPool", pool={"name": "east", "policy": "default"})
        await inside.ask("DeletePool", name="east", command_id="a")

    async def second(inside):  # the worker asks the next keeper what became of it
        await inside.ask("DeletePool", name="east", command_id="a")
        with pytest.raises(Refusal) as caught:
            await inside.ask("DeletePool", name="east", command_id="b")
        assert caught.value.reason == "NO_SUCH_POOL"

    run(segment, journal, first)
    run(segment, journal, second)


def test_image_of_a_keeper_that_did_nothing_yet_stands_where_its_journal_ends(segment, journal):
    async def use(inside):
        image = whole(await read_image(inside.keeper))
        assert image.position == journal.last > 0
        assert [placed.pool.name for placed in image.pools] == ["default"]
        assert image.decided_at == NOW

    run(segment, journal, use)
    run(segment, journal, use)


def test_image_that_is_ahead_of_the_segment_leaves_no_header_out(segment, journal):
    """The keeper died when it had given the image, and before it applied the last commands."""
    images = []

    async def first(inside):
        await stock(inside, FIRST)
        await stock(inside, FIRST + 1)
        await inside.ask("PutPool", pool={"name": "east", "policy": "default"})
        images.append(await read_image(inside.keeper))

    async def second(inside):
        assert inside.verdicts(FIRST, FIRST + 1) == [1, 1]
        assert inside.segment.applied == journal.last == whole(images[0]).position
        (east,) = [pool for pool in inside.keeper.state.decided.pools if pool.name == "east"]
        assert east.revision == 1

    run(segment, journal, first)
    behind = Segment.create(None, capacity_numbers=100)
    writer = TableWriter(behind)
    for position, value in keeper_values(journal, 0):
        if position < 3:  # the first settings and the first number
            writer.apply(headers_of(value))
            writer.set_applied(position)
    run(behind, journal, second, image=images[0])
