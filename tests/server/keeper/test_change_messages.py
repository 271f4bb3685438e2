"""What the keeper tells workers of changes: all of them, as fast as they read."""

import asyncio
from pathlib import Path

import grpc
import numpy as np
import pytest
from support.keeper_inside import NOW, KeeperInside, journal, run

from ringfence.engine.memory.layout import NUMBER_BITS, NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.changes.change_messages import CHANGES_MAX, ChangeMessages
from ringfence.server.keeper.keeper_service import KeeperService
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_service_pb2 import WatchChangesResponse
from ringfence.server.link.routes import service

__all__ = ["journal"]  # a fixture

NUMBERS = list(range(999_000_000_000, 999_000_020_000))


def told_of(messages: ChangeMessages, value: KeeperValue) -> list[WatchChangesResponse]:
    """What is told of a value."""
    return [
        WatchChangesResponse.FromString(data) for data in messages.of(7, value.SerializeToString())
    ]


def test_a_large_change_is_told_in_several_messages_and_what_stays_is_not_told() -> None:
    count = 2 * CHANGES_MAX + 10
    keys = [n | (n % 2) << NUMBER_BITS for n in range(999_000_000_000, 999_000_000_000 + count)]
    value = KeeperValue(
        decided_at=NOW, keys=keys, previous=bytes([1]) * count, current=bytes([5]) * (count - 5)
    )
    value.current += bytes([1]) * 5
    told = told_of(ChangeMessages({0: "even", 1: "odd"}), value)
    assert [len(each.current) for each in told] == [CHANGES_MAX, CHANGES_MAX, 5]
    assert b"".join(each.keys for each in told) == np.array(keys[:-5], "<u8").tobytes()
    assert {(each.position, each.changed_at) for each in told} == {(7, NOW)}
    assert all(dict(each.pools) == {0: "even", 1: "odd"} for each in told)


def test_pools_have_the_names_that_they_had_at_that_place_of_the_journal() -> None:
    messages = ChangeMessages({0: "old"})
    change = KeeperValue(keys=[447700900000], previous=b"\1", current=b"\2")
    assert dict(told_of(messages, change)[0].pools) == {0: "old"}
    for name in ("", "new"):
        placed = KeeperValue()
        placed.pools.add(index=0).pool.name = name
        assert told_of(messages, placed) == []
        assert dict(told_of(messages, change)[0].pools) == {0: name}


@pytest.mark.slow
def test_a_worker_that_does_not_read_for_a_while_is_told_everything(
    journal: Journal, tmp_path: Path
) -> None:
    async def use(keeper: KeeperInside) -> None:
        await keeper.ask("QuarantineNumbers", numbers=NUMBERS, pool="default")
        server = grpc.aio.server()
        handlers = service(KeeperService.DESCRIPTOR, keeper.keeper.internal)
        server.add_generic_rpc_handlers((handlers,))
        address = f"unix:{tmp_path / 'keeper.sock'}"
        server.add_insecure_port(address)
        await server.start()
        link = KeeperLink(address)
        method = KeeperService.DESCRIPTOR.methods_by_name["WatchChanges"]
        listening = asyncio.Event()
        changes = link.follow(method, listening)
        first = asyncio.create_task(anext(changes))
        await listening.wait()
        commands = 90  # with far more changes than a connection holds
        for command in range(commands):
            await keeper.ask(("HoldNumbers", "UnholdNumbers")[command % 2], numbers=NUMBERS)
        told = WatchChangesResponse.FromString(await first)
        for command in range(commands):
            missing = NUMBERS
            while missing:
                numbers = np.frombuffer(told.keys, "<u8") & np.uint64(NUMBER_MASK)
                assert numbers.tolist() == missing[: len(numbers)]
                assert told.current == (b"\5", b"\2")[command % 2] * len(numbers)
                missing = missing[len(numbers) :]
                if missing or command < commands - 1:
                    told = WatchChangesResponse.FromString(await anext(changes))
        await link.close()
        await server.stop(None)

    run(Segment.create(None, capacity_numbers=len(NUMBERS)), journal, use)
