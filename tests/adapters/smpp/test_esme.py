"""The adapter binds to an SMS centre, takes what it delivers, and comes back when it is cut off."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from support import smpp_pdus as made
from support.smpp_peer import NAME, PASSWORD, PATIENCE_S, Clock, Gateway, SafeList, malformed
from support.switch_traffic import AT

from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.body import read_bind
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.esme import Esme
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.pdu import RESPONSE, written
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.wording.dialled import DialPlan


class World:
    """An SMS centre made to order, and the adapter that binds to it."""

    def __init__(self) -> None:
        self.sink, self.clock = SafeList(), Clock()
        self.said: list[str] = []
        self.hearing = Hearing([NAME.decode()], self.sink.lose, self.clock())
        self.reader = SmppReader(DialPlan.of_country(44))
        self.connections: asyncio.Queue[Gateway] = asyncio.Queue()
        self.opened: list[Gateway] = []
        self.esme: Esme

    def connected(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made_of = Gateway(stream, writer)
        self.opened.append(made_of)
        self.connections.put_nowait(made_of)

    async def bound(self, status: int = smpp.OK) -> Gateway:
        """The next connection, whose bind is answered."""
        peer = await asyncio.wait_for(self.connections.get(), PATIENCE_S)
        pdu = await peer.next()
        assert pdu is not None
        assert pdu.command == smpp.BIND_RECEIVER
        assert read_bind(pdu.body) == (NAME, PASSWORD)
        body = b"centre\0" if status == smpp.OK else b""
        peer.writer.write(written(pdu.command | RESPONSE, status, pdu.sequence, body))
        return peer


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made_of = World()
    server = await asyncio.start_server(made_of.connected, "127.0.0.1", 0)
    desk = Desk(made_of.reader, made_of.sink, made_of.hearing, clock=made_of.clock)
    account = NAME.decode(), PASSWORD.decode()
    port = server.sockets[0].getsockname()[1]
    made_of.esme = Esme(desk, account, "127.0.0.1", port, say=made_of.said.append)
    await made_of.esme.open()
    await made_of.esme.start()
    try:
        yield made_of
    finally:
        made_of.sink.safe.set()
        await made_of.esme.close()
        server.close()
        for each in made_of.opened:
            each.close()


def run(test: Callable[[World], Coroutine[None, None, None]]) -> World:
    async def running() -> World:
        async with world() as made_of:
            await test(made_of)
        return made_of

    return asyncio.run(running())


def test_a_message_that_is_delivered_is_an_event_and_answered() -> None:
    async def test(world: World) -> None:
        centre = await world.bound()
        answer = await centre.ask(smpp.DELIVER_SM, made.message())
        assert (answer.status, answer.body) == (smpp.OK, b"\0")
        answer = await centre.ask(smpp.DATA_SM, made.data())
        assert answer.status == smpp.OK
        receipt = made.message(b"id:1", esm_class=4)
        assert (await centre.ask(smpp.DELIVER_SM, receipt)).status == smpp.OK

    assert [(s.called, s.occurred_at) for s in run(test).sink.sent] == [(int(made.CALLED), AT)] * 2


def test_nothing_is_answered_before_it_is_safe_and_what_comes_again_is_known() -> None:
    async def test(world: World) -> None:
        centre = await world.bound()
        world.sink.safe.clear()
        centre.send(smpp.DELIVER_SM, made.message())
        centre.send(smpp.ENQUIRE_LINK)
        assert (answer := await centre.next())
        assert answer.command == smpp.ENQUIRE_LINK | RESPONSE
        centre.close()
        again = await world.bound()
        world.sink.safe.set()
        assert (await again.ask(smpp.DELIVER_SM, made.message())).status == smpp.OK
        assert world.reader.tally["repeat"] == 1

    assert len(run(test).sink.sent) == 1


@pytest.mark.parametrize("status", [smpp.INVALID_PASSWORD, smpp.BIND_FAILED, 0xF, 0x99])
def test_a_bind_that_is_refused_is_said_once_and_tried_again(status: int) -> None:
    async def test(world: World) -> None:
        for _ in range(3):
            await world.bound(status)
        await (await world.bound()).ask(smpp.ENQUIRE_LINK)

    said = run(test).said
    assert [line for line in said if f"0x{status:02X}" in line] == said[:1]
    assert "bound" in said


def test_time_is_heard_while_it_is_bound_and_lost_while_it_is_not() -> None:
    async def test(world: World) -> None:
        world.clock.now = AT + 10
        assert world.hearing.until == AT
        centre = await world.bound()
        await centre.ask(smpp.ENQUIRE_LINK)
        assert world.sink.lost == [(AT, AT + 11)]
        centre.close()
        world.clock.now = AT + 30
        again = await world.bound()
        await again.ask(smpp.ENQUIRE_LINK)
        assert world.sink.lost[1:] == [(AT + 10, AT + 31)]
        assert world.hearing.until == AT + 30

    run(test)


def test_an_unbind_of_the_centre_is_answered_and_bound_again() -> None:
    async def test(world: World) -> None:
        centre = await world.bound()
        assert (await centre.ask(smpp.UNBIND)).status == smpp.OK
        await (await world.bound()).ask(smpp.ENQUIRE_LINK)

    run(test)


@pytest.mark.parametrize("length", [0, 8, 2**31])
def test_a_length_that_cannot_be_is_lost_time_and_bound_again(length: int) -> None:
    async def test(world: World) -> None:
        centre = await world.bound()
        await centre.ask(smpp.ENQUIRE_LINK)
        world.sink.lost.clear()
        centre.writer.write(malformed(length))
        await (await world.bound()).ask(smpp.ENQUIRE_LINK)
        assert world.sink.lost

    assert run(test).reader.tally["smpp_length"] == 1
