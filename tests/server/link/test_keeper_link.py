"""The worker's link to a keeper that dies, hangs or is asked too much, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from support.server_process import DEADLINE_S

from ringfence.server.keeper.process import COMMANDS, NUMBERS
from ringfence.server.link import waiting_calls
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.keeper_silence import WAIT_S, KeeperSilence
from ringfence.server.link.passing_calls import PASSING_MAX
from ringfence.server.link.refusal import Refusal
from ringfence.server.link.routes import Answer, service
from ringfence.server.link.waiting_calls import (
    BYTES_MAX,
    CALLS_MAX,
    LARGE_BYTES_MAX,
    SMALL_BYTES,
    WaitingCalls,
)

GET_STATUS = COMMANDS.methods_by_name["GetStatus"]
RESERVE_NUMBERS = NUMBERS.methods_by_name["ReserveNumbers"]


class Caller:
    """The context of a call that a worker passes on."""

    def __init__(self, actor: str = "") -> None:
        self._actor = actor

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (
            ("ringfence-actor", self._actor),
            ("ringfence-command-id", "made up"),
            ("ringfence-command-after", "0"),
            ("ringfence-peer", "made up"),
        )

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50000"

    def time_remaining(self) -> float:
        return DEADLINE_S


class Keeper:
    """One that hangs with what it is asked, or answers; what it saw."""

    def __init__(self) -> None:
        self.hangs = True
        self.asked = asyncio.Event()
        self.seen: list[dict[str, str]] = []
        self.says_that_it_takes_long = False

    async def get_status(self, _: bytes, context: Any) -> bytes:
        self.seen.append(dict(context.invocation_metadata()))
        self.asked.set()
        if self.says_that_it_takes_long:
            await context.send_initial_metadata(())
        if self.hangs:
            await asyncio.Event().wait()
        return b"done"


@asynccontextmanager
async def served(address: str, answer: Answer) -> AsyncIterator[None]:
    """A keeper's server at a socket; at the end it drops what it has in hand."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (service(COMMANDS, {"GetStatus": answer}), service(NUMBERS, {"ReserveNumbers": answer}))
    )
    server.add_insecure_port(address)
    await server.start()
    yield
    await server.stop(0)


def test_command_is_repeated_to_the_next_keeper_with_its_id_and_the_position(tmp_path: Path):
    address = f"unix:{tmp_path}/keeper.sock"

    async def run() -> None:
        keeper = Keeper()
        caller: Any = Caller()
        applied = iter((16, 17, 18))
        link = KeeperLink(address, lambda: next(applied))
        async with served(address, keeper.get_status):
            asked = asyncio.create_task(link.ask(GET_STATUS, b"", caller))
            await keeper.asked.wait()
        (tmp_path / "keeper.sock").unlink(missing_ok=True)
        keeper.hangs = False
        async with served(address, keeper.get_status):
            assert await asked == b"done"
        first, again = keeper.seen
        assert first["ringfence-command-after"] == again["ringfence-command-after"] == "17"
        assert first["ringfence-command-id"] == again["ringfence-command-id"] != "made up"
        assert first["ringfence-peer"] == "ipv4:127.0.0.1:50000"
        await link.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "long"), [(GET_STATUS, False), (RESERVE_NUMBERS, False), (RESERVE_NUMBERS, True)]
)
def test_calls_of_one_are_passed_on_a_few_at_a_time_unless_they_take_long(
    tmp_path: Path, method: MethodDescriptor, long: bool
):
    address = f"unix:{tmp_path}/keeper.sock"

    async def run() -> None:
        keeper = Keeper()
        keeper.says_that_it_takes_long = long
        many: Any = Caller("many")
        other: Any = Caller("other")
        link = KeeperLink(address)

        async def seen(count: int) -> list[str]:
            while len(keeper.seen) < count:
                keeper.asked.clear()
                await keeper.asked.wait()
            return [each["ringfence-actor"] for each in keeper.seen]

        async with served(address, keeper.get_status):
            keeper.hangs = False  # for one call, which makes the connection
            await link.ask(method, b"", many)
            keeper.hangs, keeper.seen = True, []
            asked = [asyncio.create_task(link.ask(method, b"", many)) for _ in range(40)]
            passed_on = 40 if long else PASSING_MAX
            assert await seen(passed_on) == ["many"] * passed_on
            asked.append(asyncio.create_task(link.ask(method, b"", other)))
            assert (await seen(passed_on + 1))[-1] == "other"
            if not long:
                for task in asked[:3]:
                    task.cancel()  # those that leave make room
                assert (await seen(passed_on + 4))[-3:] == ["many"] * 3
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            keeper.hangs = False
            assert await link.ask(method, b"", many) == b"done"
        await link.close()

    asyncio.run(run())


def test_nobody_waits_for_a_silent_keeper_until_it_is_heard(tmp_path: Path):
    address = f"unix:{tmp_path}/keeper.sock"

    async def run() -> None:
        now = 100.0
        keeper = Keeper()
        caller: Any = Caller()
        applied = 17
        link = KeeperLink(address, lambda: applied)
        link.silence = KeeperSilence(lambda: now)
        async with served(address, keeper.get_status):
            asked = asyncio.create_task(link.ask(GET_STATUS, b"", caller))
            await keeper.asked.wait()
            now += WAIT_S
            applied += 1  # it works for others
            await link.give_up_silent()
            now += WAIT_S - 0.1
            await link.give_up_silent()
            assert not link.silence.lasts
            now += 0.1
            await link.give_up_silent()
            for waiting in (asked, link.ask(GET_STATUS, b"", caller)):
                with pytest.raises(Refusal, match="does not answer: silent_s=5, limit=5") as caught:
                    await waiting
                assert caught.value.reason == "KEEPER"
            assert await link.glance(GET_STATUS, b"") is None
            keeper.hangs = False
            assert len(keeper.seen) == 1
            while await link.listen(GET_STATUS, b"") is None:
                pass
            assert await link.ask(GET_STATUS, b"", caller) == b"done"
            assert not link.silence.lasts
        await link.close()

    asyncio.run(run())


def test_calls_that_wait_are_bounded_in_number(monkeypatch):
    monkeypatch.setattr(waiting_calls, "CALLS_MAX", 3)
    waiting = WaitingCalls()
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(waiting.one_more(1))
        with pytest.raises(Refusal, match=r"too many wait .*: calls=4, limit=3"):
            held.enter_context(waiting.one_more(1))
    with waiting.one_more(1):
        pass
    assert CALLS_MAX > 1_000


def test_large_calls_leave_room_for_small_ones_that_wait():
    waiting = WaitingCalls()
    with ExitStack() as held:
        held.enter_context(waiting.one_more(LARGE_BYTES_MAX - 1))
        words = f"bytes={LARGE_BYTES_MAX + SMALL_BYTES}, limit={LARGE_BYTES_MAX}"
        with pytest.raises(Refusal, match=f"too much waits for the keeper: {words}") as caught:
            held.enter_context(waiting.one_more(SMALL_BYTES + 1))
        assert caught.value.reason == "KEEPER"
        for _ in range((BYTES_MAX - LARGE_BYTES_MAX) // SMALL_BYTES):
            held.enter_context(waiting.one_more(SMALL_BYTES))
        with pytest.raises(Refusal, match=f"limit={BYTES_MAX}"):
            held.enter_context(waiting.one_more(SMALL_BYTES))
    with waiting.one_more(LARGE_BYTES_MAX):
        pass
