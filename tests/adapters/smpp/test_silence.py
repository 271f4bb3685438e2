"""Who is silent is asked, and let go; who never binds, or never reads, as well."""

import asyncio
import socket

import pytest
from support import smpp_pdus as made
from support.smpp_peer import PATIENCE_S, Centre, Gateway, run
from support.switch_traffic import AT

from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp import session
from ringfence.adapters.smpp.pdu import RESPONSE, Pdu, written


async def asked(gateway: Gateway) -> Pdu:
    pdu = await gateway.next()
    assert pdu is not None
    assert pdu.command == smpp.ENQUIRE_LINK
    return pdu


async def closed(gateway: Gateway) -> None:
    assert await gateway.next() is None


def test_who_is_silent_for_5_seconds_is_asked_once_and_is_heard_by_the_answer() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        for adapter.stopwatch.now in (AT + 5, AT + 6, AT + 7):
            adapter.smsc.look()
        sequence = (await asked(gateway)).sequence
        adapter.clock.now = AT + 7
        gateway.writer.write(written(smpp.ENQUIRE_LINK | RESPONSE, smpp.OK, sequence))
        answer = await gateway.ask(smpp.ENQUIRE_LINK)
        assert answer.status == smpp.OK, "and was asked nothing more"
        assert adapter.hearing.until == AT + 7
        adapter.stopwatch.now = AT + 7 + 30
        adapter.smsc.look()
        await asked(gateway)
        assert "note_silent" not in adapter.tally, "30 s count from the last PDU"

    run(test)


def test_who_is_silent_for_more_than_30_seconds_is_let_go_and_its_time_is_not_claimed() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.stopwatch.now = AT + 30
        adapter.smsc.look()
        await asked(gateway)
        assert "note_silent" not in adapter.tally
        adapter.stopwatch.now = adapter.clock.now = AT + 31
        adapter.smsc.look()
        await closed(gateway)
        assert adapter.hearing.until == AT
        adapter.sink.lost.clear()
        assert await (await adapter.gateway()).bind() == smpp.OK
        assert adapter.sink.lost == [(AT, AT + 32)]

    assert run(test).tally["note_silent"] == 1


def test_the_first_of_two_binds_has_3_seconds_to_say_that_it_is_there() -> None:
    async def test(adapter: Centre) -> None:
        gateway, other = await adapter.gateway(), await adapter.gateway()
        await gateway.bind()
        assert await other.bind() == smpp.ALREADY_BOUND
        for adapter.stopwatch.now, silent in ((AT + 3, 0), (AT + 4, 1)):
            adapter.smsc.look()
            assert adapter.tally["note_silent"] == silent
        await asked(gateway)
        await closed(gateway)
        assert await (await adapter.gateway()).bind() == smpp.OK

    run(test)


def test_who_does_not_bind_within_10_seconds_is_let_go_and_costs_no_time() -> None:
    async def test(adapter: Centre) -> None:
        stranger = await adapter.gateway()
        assert (await stranger.ask(smpp.ENQUIRE_LINK)).status == smpp.OK
        adapter.sink.lost.clear()
        for adapter.stopwatch.now, gone in ((AT + 10, 0), (AT + 11, 1)):
            adapter.smsc.look()
            assert adapter.tally["note_never_bound"] == gone
        await closed(stranger)
        assert adapter.sink.lost == []

    run(test)


@pytest.mark.slow
def test_who_does_not_read_its_answers_is_let_go_and_known_when_it_sends_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "UNSENT_BYTES_MAX", 65_536)

    async def test(adapter: Centre) -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        small.connect(("127.0.0.1", adapter.port))
        deaf = Gateway(*await asyncio.open_connection(sock=small, limit=1_024))
        adapter.gateways.append(deaf)
        assert await deaf.bind() == smpp.OK
        deaf.send(smpp.SUBMIT_SM, made.message())
        await adapter.until("event")
        asking = written(smpp.ENQUIRE_LINK, smpp.OK, 1) * 4_096
        async with asyncio.timeout(PATIENCE_S):
            while not adapter.tally["note_answers_not_read"]:
                deaf.writer.write(asking)
                await asyncio.sleep(0)
        again = await adapter.gateway()
        assert await again.bind() == smpp.OK
        assert (await again.ask(smpp.SUBMIT_SM, made.message())).status == smpp.OK
        assert adapter.tally["repeat"] == 1

    adapter = run(test)
    assert adapter.tally["note_answers_not_read"] == 1
    assert len(adapter.sink.sent) == 1
