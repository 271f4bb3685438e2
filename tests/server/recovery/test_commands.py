"""Commands that wait for the disk together, and keepers that die with them."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine import Engine
from support.gated_keeper import NOW, NUMBER, Asked, Served, run

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_pools
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import State
from ringfence.server.journal.journal import Journal, JournalDown
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.link.refusal import Refusal
from ringfence.server.state.keeper_state import KeeperState
from ringfence.v1 import quarantine_service_pb2 as pb


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path / "keeper", identity=b"a test")
    yield opened
    opened.close()


@pytest.fixture
def segment() -> Segment:
    return Segment.create(None, capacity_numbers=10)


def test_commands_that_wait_together_are_decided_as_if_one_after_the_other(segment, journal):
    async def use(keeper: Served) -> None:
        await keeper.hold_back()
        waiting = asyncio.gather(
            keeper.quarantine(NUMBER, NUMBER + 1),
            keeper.quarantine(NUMBER + 1, NUMBER + 2),
            keeper.put_pool("made"),
            keeper.put_pool("made"),
            keeper.quarantine(NUMBER + 3, pool="made"),
            keeper.quarantine(NUMBER),
        )
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert keeper.segment.numbers == 1  # nothing is applied that is not durable
        assert [pool and pool.name for pool in read_pools(keeper.segment)] == ["default"]
        keeper.gate.set()
        first, second, pool, again, third, last = await waiting
        assert (first.accepted, first.already_quarantined) == (2, 0)
        assert (second.accepted, second.already_quarantined) == (1, 1)
        assert (pool.revision, again.revision) == (1, 2)
        assert third.accepted == 1
        assert (last.accepted, last.already_quarantined) == (0, 1)
        header = keeper.writer.header(NUMBER + 3)
        assert header is not None and header.pool == 1
        assert keeper.segment.applied == journal.last

    run(segment, journal, use)


def test_room_is_counted_with_the_commands_that_wait(segment, journal):
    async def use(keeper: Served) -> None:
        await keeper.hold_back()
        waiting = asyncio.gather(
            keeper.quarantine(*range(NUMBER, NUMBER + 6)),
            keeper.quarantine(*range(NUMBER + 6, NUMBER + 9)),  # 10 in all
            keeper.quarantine(NUMBER + 9),
            return_exceptions=True,
        )
        await asyncio.sleep(0.1)
        keeper.gate.set()
        first, second, third = await waiting
        assert (first.accepted, second.accepted) == (6, 3)
        assert isinstance(third, Refusal) and third.reason == "TABLE_FULL"
        assert "new numbers=1, free=0, capacity=10" in third.text

    run(segment, journal, use)


def test_end_of_a_life_binds_a_command_behind_it_before_it_is_applied(segment, journal):
    async def use(keeper: Served) -> None:
        await keeper.quarantine(NUMBER, quarantined_at=[NOW - 900])
        await keeper.hold_back()
        retired = keeper.writer.header_row(NUMBER)
        retired["control"] = int(State.RETIRED) | (NOW - 500) << 32
        keeper.keeper.log.begin(
            KeeperValue(headers=retired.tobytes(), previous=b"\2", current=b"\x08"),
            lambda _: pb.Pool(),
        )
        waiting = asyncio.gather(
            keeper.quarantine(NUMBER, quarantined_at=[NOW - 191]),
            keeper.quarantine(NUMBER, quarantined_at=[NOW - 190]),
        )
        await asyncio.sleep(0.1)
        keeper.gate.set()
        early, late = await waiting
        assert (early.rejected, late.accepted) == (1, 1)
        assert "310 s after the number was last tracked" in early.rejections[0].reason

    run(segment, journal, use)


def test_repeated_command_gets_the_first_answer_from_the_next_keeper_too(segment, journal):
    async def first(keeper: Served) -> None:
        answers = await asyncio.gather(
            *(keeper.quarantine(NUMBER, command_id="a") for _ in range(2))
        )
        assert [answer.accepted for answer in answers] == [1, 1]
        assert (await keeper.quarantine(NUMBER, command_id="b")).accepted == 0

    async def second(keeper: Served) -> None:
        assert (await keeper.quarantine(NUMBER, command_id="a")).accepted == 1
        assert (await keeper.quarantine(NUMBER, command_id="c")).accepted == 0

    run(segment, journal, first)
    before = journal.last
    run(segment, journal, second)
    assert journal.last == before + 1


def test_next_keeper_applies_what_is_durable_and_not_applied(segment, journal):
    async def use(keeper: Served) -> None:
        await keeper.quarantine(NUMBER, quarantined_at=[NOW - 900])
        await keeper.put_pool("made")

    async def look(keeper: Served) -> None:
        assert keeper.writer.header(NUMBER) is not None
        assert (await keeper.put_pool("made")).revision == 2

    run(Segment.create(None, capacity_numbers=10), journal, use)
    run(segment, journal, look)  # a segment of which nothing was applied
    assert segment.applied == journal.last


def test_next_keeper_does_not_empty_a_ring_that_was_filled_meanwhile(segment, journal):
    """The dead one had applied a quarantine, the end of it and another, and not said so."""
    values = []

    async def use(keeper: Served) -> None:
        await keeper.quarantine(NUMBER, quarantined_at=[NOW - 900])
        position = segment.applied
        retired = keeper.writer.header_row(NUMBER)
        retired["control"] = int(State.RETIRED) | (NOW - 500) << 32
        await keeper.keeper.log.begin(
            KeeperValue(headers=retired.tobytes(), previous=b"\2", current=b"\x08"),
            lambda _: pb.Pool(),
        )
        await keeper.quarantine(NUMBER, quarantined_at=[NOW - 100])
        engine = Engine(segment, caller_key=bytes(16))
        inserted = engine.insert(
            np.array([NUMBER], np.uint64),
            np.array([441632960123], np.uint64),
            np.array([NOW - 10], np.uint32),
            np.array([1], np.int32),
            now=NOW,
        )
        assert inserted.accepted == 1
        keeper.writer.set_applied(position)
        values.append(engine.state_hash())

    async def look(_: Served) -> None:
        values.append(Engine(segment).state_hash())

    run(segment, journal, use)
    run(segment, journal, look)
    assert values[0] == values[1]


def test_time_of_decisions_does_not_step_back_with_the_clock(segment, journal):
    async def first(keeper: Served) -> None:
        await keeper.quarantine(NUMBER)

    async def second(keeper: Served) -> None:
        keeper.now = NOW - 5_000
        await keeper.quarantine(NUMBER + 1)
        header = keeper.writer.header(NUMBER + 1)
        assert header is not None and header.quarantined_at == NOW

    run(segment, journal, first)
    run(segment, journal, second)
    decided = [value.decided_at for _, value in keeper_values(journal, 0)]
    assert decided == [NOW] * 3


class FailingJournal:
    """A journal whose commits fail: what was appended is told so."""

    writable = True
    last = 0

    def after_commit(self, call: Callable[[], None]) -> None:
        self._call = call

    def append(self, _: bytes, done: Callable[[Any], None]) -> None:
        done(JournalDown("no room"))
        self._call()


def test_keeper_whose_commit_fails_refuses_what_waits_and_ends(segment):
    async def use() -> None:
        ended = asyncio.Event()
        journal: Any = FailingJournal()
        state = KeeperState(segment, TableWriter(segment), ended_kept_s=60)
        log = CommandLog(journal, state, lambda: NOW, end=ended.set)
        answers = [log.begin(KeeperValue(), lambda _: pb.Pool()) for _ in range(3)]
        for answer in answers:
            with pytest.raises(Refusal) as caught:
                await answer
            assert caught.value.reason == "JOURNAL"
        with pytest.raises(Refusal):
            asked: Any = Asked()
            await log.carry_out("PutPool", asked, lambda _: pb.Pool())
        with pytest.raises(Refusal):  # what begins by itself neither, with what is known here
            log.begin(KeeperValue(), lambda _: pb.Pool())
        await asyncio.wait_for(ended.wait(), 10)
        assert segment.applied == 0

    asyncio.run(use())
