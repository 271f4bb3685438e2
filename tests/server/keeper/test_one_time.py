"""The keeper's time where the wall clock leaps: commands, leases, a start, what is said of it."""

import logging

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.keeper_inside import NOW, KeeperInside, journal, run, segment
from support.told_machine import ToldClocks

from ringfence.engine.memory.one_time import OneTime
from ringfence.engine.memory.segment import Segment, SegmentError
from ringfence.engine.words import Verdict
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.link.keeper_service_pb2 import GetReadinessResponse
from ringfence.server.link.refusal import Refusal

__all__ = ["journal", "segment"]  # fixtures

DAY_S = 86_400
LEAP_S = 100 * DAY_S
OLD, YOUNG, NEW = 447700900000, 447700900001, 447700900002


@pytest.fixture
def clocks() -> ToldClocks:
    """Right, and nobody's."""
    return ToldClocks(NOW)


async def stock(inside: KeeperInside) -> None:
    """A number that is clean, and one that is AGING for 80 days more."""
    times = [NOW - 100 * DAY_S, NOW - 10 * DAY_S]
    await inside.ask(
        "QuarantineNumbers",
        numbers=[OLD, YOUNG],
        pool="default",
        quarantined_at=times,
        observed_since=times,
    )


def leap(inside: KeeperInside, clocks: ToldClocks, seconds: float) -> None:
    clocks.wall_s += seconds
    inside.keeper.time.look()


def test_leap_with_a_reservation_in_it_hands_out_nothing_that_is_aging(segment, journal, clocks):
    async def use(inside):
        await stock(inside)
        leap(inside, clocks, LEAP_S)
        made = await inside.ask(
            "ReserveNumbers", pool="default", count=2, allow_partial=True, lease={"seconds": 1}
        )
        assert list(made.numbers) == [OLD]
        assert made.expires_at.seconds == NOW + 1
        with pytest.raises(Refusal) as caught:
            await inside.ask("ReserveNumbers", pool="default", count=1)
        assert caught.value.reason == "TOO_FEW_CLEAN"
        await inside.ask("QuarantineNumbers", numbers=[NEW], pool="default")
        leap(inside, clocks, -LEAP_S)
        clocks.go(2)
        assert (await inside.ask("GetReservation", id=made.id)).state == 4
        now = OneTime(segment, clocks.machine().boot_ns)()
        assert now == NOW + 2
        inside.now = now
        assert inside.verdicts(OLD, YOUNG, NEW) == [Verdict.CLEAN, Verdict.AGING, Verdict.AGING]
        inside.call(NEW)  # it is accepted

    run(segment, journal, use, machine=clocks.machine())
    assert max(value.decided_at for _, value in keeper_values(journal, 0)) <= NOW + 2


def test_accepted_leap_is_the_time_of_what_comes_after_it_and_of_the_next_start(
    journal, segment, clocks
):
    async def use(inside):
        leap(inside, clocks, LEAP_S)
        answer = await inside.ask("AcceptClock", wall_clock=Timestamp(seconds=NOW + LEAP_S))
        assert (answer.time.seconds, answer.disputed) == (NOW + LEAP_S, False)
        await inside.ask("PutPool", pool={"name": "later", "policy": "default"})

    async def look(inside):
        assert inside.keeper.time.now() == NOW + LEAP_S
        assert inside.keeper.time.dispute == ""

    run(segment, journal, use, machine=clocks.machine())
    decided = [(value.command, value.decided_at) for _, value in keeper_values(journal, 0)]
    assert decided[-2:] == [("AcceptClock", NOW + LEAP_S), ("PutPool", NOW + LEAP_S)]
    after_boot = ToldClocks(NOW + LEAP_S, boot_s=7.0)
    fresh = Segment.create(None, capacity_numbers=100)
    run(fresh, journal, look, machine=after_boot.machine())


def test_dispute_outlives_the_keeper_and_a_start_that_reads_the_journal(segment, journal, clocks):
    async def use(inside):
        await stock(inside)
        leap(inside, clocks, LEAP_S)

    async def look(inside):
        assert inside.keeper.time.now() == NOW
        assert "ahead" in inside.keeper.time.dispute
        assert inside.verdicts(YOUNG) == [Verdict.AGING]

    run(segment, journal, use, machine=clocks.machine())
    run(segment, journal, look, machine=clocks.machine())
    fresh = Segment.create(None, capacity_numbers=100)
    run(fresh, journal, look, machine=clocks.machine())


def test_wall_clock_that_shows_something_else_by_now_is_not_accepted(segment, journal, clocks):
    async def use(inside):
        leap(inside, clocks, LEAP_S)
        with pytest.raises(Refusal) as caught:
            await inside.ask("AcceptClock", wall_clock=Timestamp(seconds=NOW))
        assert caught.value.reason == "BAD_FIELD"
        assert f"value={NOW}, bound=300 s from " in caught.value.text
        assert inside.keeper.time.now() == NOW
        clocks.wall_s = 2.0**32 + 5
        with pytest.raises(Refusal) as caught:
            await inside.ask("AcceptClock")
        assert "bound=1 to 4294967295" in caught.value.text

    run(segment, journal, use, machine=clocks.machine())


def test_accepting_a_clock_that_is_behind_goes_back_no_further_than_the_newest_command(
    segment, journal, clocks
):
    async def use(inside):
        await stock(inside)
        clocks.go(600)
        leap(inside, clocks, -DAY_S)
        answer = await inside.ask("AcceptClock")
        assert (answer.time.seconds, answer.disputed) == (NOW, True)
        assert "restoring a backup" in inside.keeper.time.dispute

    run(segment, journal, use, machine=clocks.machine())
    decided = [value.decided_at for _, value in keeper_values(journal, 0)]
    assert decided == sorted(decided)


def test_status_says_what_time_it_is_and_why_that_is_disputed(segment, journal, clocks):
    async def use(inside):
        status = await inside.ask("GetStatus")
        assert (status.time.seconds, status.wall_clock.seconds) == (NOW, NOW)
        assert (status.time_dispute, status.wall_clock_synchronised) == ("", False)
        clocks.synchronised = True
        leap(inside, clocks, LEAP_S)
        clocks.go(10)
        status = await inside.ask("GetStatus")
        assert status.time.seconds == NOW + 10
        assert status.wall_clock.seconds == NOW + LEAP_S + 10
        assert status.time_dispute.startswith(f"the wall clock is {LEAP_S} s ahead, ")
        assert "`ringfence clock accept`" in status.time_dispute
        assert status.wall_clock_synchronised
        data = await inside.keeper.internal["GetReadiness"](b"", None)
        assert GetReadinessResponse.FromString(data).dispute == status.time_dispute

    run(segment, journal, use, machine=clocks.machine())


def test_dispute_its_end_and_a_step_are_logged_once_each(segment, journal, clocks, caplog):
    async def use(inside):
        caplog.clear()
        for _ in range(3):
            leap(inside, clocks, LEAP_S)
            inside.keeper.time.look()
            leap(inside, clocks, -LEAP_S)
            inside.keeper.time.look()
        leap(inside, clocks, 200)

    with caplog.at_level(logging.INFO, "ringfence.server.keeper.clock"):
        run(segment, journal, use, machine=clocks.machine())
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in told] == [
        *(3 * ["time is disputed", "time is not disputed any more"]),
        "the time follows the wall clock",
    ]


@pytest.mark.parametrize("synchronised", [False, True])
def test_first_start_warns_where_the_clock_is_not_synchronised(
    segment, journal, clocks, caplog, synchronised
):
    clocks.synchronised = synchronised

    async def use(inside):
        assert inside.keeper.time.now() == NOW

    run(segment, journal, use, machine=clocks.machine())
    assert ("this is a first start" in caplog.text) is not synchronised
    caplog.clear()
    run(Segment.create(None, capacity_numbers=100), journal, use, machine=clocks.machine())
    assert "first start" not in caplog.text


def test_time_of_a_segment_is_not_known_before_the_keeper_has_said_it(segment):
    time = OneTime(segment, lambda: 5_000_000_000)
    assert not time.known
    with pytest.raises(SegmentError):
        time()
    segment.publish_time((NOW - 5) * 1_000_000_000)
    assert time.known
    assert time() == NOW
    assert segment.booted_at_ns == (NOW - 5) * 1_000_000_000
    with pytest.raises(ValueError, match="booted_at_ns: value=0, bound=1 to "):
        segment.publish_time(0)
