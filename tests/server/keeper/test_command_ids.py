"""A command that is repeated was done once, or nobody says that it was not: in one process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.gated_keeper import NOW, NUMBER, Asked, Served, run
from support.server_process import wait_until

from ringfence.engine.memory.segment import Segment
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.commands import command_ids
from ringfence.server.link.refusal import Refusal
from ringfence.v1 import quarantine_service_pb2 as pb

OTHERS = 275  # commands between a command and its repetition
BURST = 55  # of them at once


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """The journal of a keeper, empty."""
    opened = open_journal(tmp_path / "keeper", identity=b"a test")
    yield opened
    opened.close()


@pytest.fixture
def segment() -> Segment:
    """A table without numbers."""
    return Segment.create(None, capacity_numbers=100)


async def first(keeper: Served) -> None:
    """A command that the rest of a test repeats."""
    assert (await keeper.quarantine(NUMBER, command_id="a")).accepted == 1


async def others(keeper: Served) -> None:
    """Many commands that came behind it."""
    begin = keeper.journal.last
    for part in range(0, OTHERS, BURST):
        after = keeper.journal.last
        each = (f"{begin}-{part + index}" for index in range(BURST))
        await asyncio.gather(*(keeper.quarantine(command_id=id_, after=after) for id_ in each))
    assert keeper.journal.last >= begin + OTHERS


def repeated(after: int) -> Callable[[Served], Awaitable[None]]:
    """Repeats the command, whose id was given when `after` was applied: the answer is the first."""

    async def use(keeper: Served) -> None:
        last = keeper.journal.last
        assert (await keeper.quarantine(NUMBER, command_id="a", after=after)).accepted == 1
        assert keeper.journal.last == last

    return use


def unknown(after: int, words: str) -> Callable[[Served], Awaitable[None]]:
    """Repeats the command: nobody knows whether it was done, so it is not done."""

    async def use(keeper: Served) -> None:
        last = keeper.journal.last
        with pytest.raises(Refusal, match=words) as caught:
            await keeper.quarantine(NUMBER, command_id="a", after=after)
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "KEEPER")
        assert [type(detail).__name__ for detail in caught.value.details] == ["RetryInfo"]
        assert keeper.journal.last == last

    return use


def test_commands_that_come_between_do_not_make_one_forgotten(segment, journal):
    async def use(keeper: Served) -> None:
        before = keeper.journal.last
        await first(keeper)
        await others(keeper)
        await repeated(before)(keeper)

    run(segment, journal, use)


def test_next_keeper_knows_a_command_whatever_others_it_was_asked_first(segment, journal):
    run(segment, journal, first)
    run(segment, journal, others)

    async def next_one(keeper: Served) -> None:
        await others(keeper)
        await repeated(0)(keeper)

    run(segment, journal, next_one)


def test_clock_that_steps_makes_none_forgotten(segment, journal):
    run(segment, journal, first)

    async def later(keeper: Served) -> None:
        keeper.now = NOW + 86_400
        await others(keeper)
        await repeated(0)(keeper)

    async def earlier(keeper: Served) -> None:
        keeper.now = NOW - 86_400
        await repeated(0)(keeper)

    run(segment, journal, later)
    run(segment, journal, earlier)


def test_keepers_may_die_any_number_of_times_within_one_call(segment, journal):
    async def nothing(_: Served) -> None:
        pass

    run(segment, journal, nothing)  # makes the first settings
    before = journal.last
    run(segment, journal, first)
    for use in (others, nothing, repeated(before), others, repeated(before)):
        run(segment, journal, use)


def test_repetition_waits_for_the_first_to_be_durable(segment, journal):
    async def use(keeper: Served) -> None:
        await keeper.hold_back()
        both = [
            asyncio.create_task(keeper.quarantine(NUMBER, command_id="a", after=journal.last))
            for _ in range(2)
        ]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in both)
        keeper.gate.set()
        assert [(await task).accepted for task in both] == [1, 1]

    run(segment, journal, use)


def test_command_that_was_never_decided_is_done_by_the_next_keeper(segment, journal):
    async def use(keeper: Served) -> None:
        assert (await keeper.quarantine(NUMBER, command_id="b")).accepted == 1

    run(segment, journal, others)
    run(segment, journal, use)


def test_nothing_is_decided_where_the_journal_has_let_go(segment, journal):
    run(segment, journal, first)
    run(segment, journal, others)

    async def truncated(keeper: Served) -> None:
        journal.truncate(journal.last - 10)
        wait_until(lambda: journal.first > 10)
        await unknown(0, "cannot be known: asked after position=0, oldest=")(keeper)

    run(segment, journal, truncated)


def test_nothing_is_decided_beyond_the_bound_of_ids(segment, journal, monkeypatch):
    monkeypatch.setattr(command_ids, "IDS_MAX", OTHERS - 100)
    run(segment, journal, first)

    async def still_held(keeper: Served) -> None:
        await others(keeper)
        await unknown(0, f"cannot be known: ids=.*, limit={OTHERS - 100}")(keeper)
        last = keeper.journal.last
        await keeper.quarantine(command_id=f"{last - OTHERS}-{OTHERS - 1}", after=0)
        assert keeper.journal.last == last

    run(segment, journal, still_held)
    run(segment, journal, unknown(0, "cannot be known: ids="))


def test_deletion_that_is_repeated_is_not_refused_as_the_pool_is_there_again(segment, journal):
    async def delete(keeper: Served) -> None:
        request = pb.DeletePoolRequest(name="east").SerializeToString()
        asked: Any = Asked("delete")
        await keeper.keeper.commands["DeletePool"](request, asked)

    async def use(keeper: Served) -> None:
        await keeper.put_pool("east", "x")
        await delete(keeper)
        await keeper.put_pool("east", "y")
        await keeper.quarantine(NUMBER, pool="east")

    run(segment, journal, use)
    run(segment, journal, delete)
