"""A message whose event the server does not take is not answered as taken, whenever it came."""

import asyncio
from pathlib import Path

import pytest
from support import smpp_pdus as made
from support.programs import free_ports
from support.smpp_live import ACCOUNT, counting_server, counts, prepare
from support.smpp_live import adapter as running
from support.smpp_peer import Centre, Gateway, run
from support.wall_clock import SteppingClock

from ringfence import Client
from ringfence.adapters.smpp import pdu as smpp

MESSAGE = made.message()


def reject_all(adapter: Centre) -> None:
    """What a stream says before a flush returns."""
    sent = adapter.sink.sent
    adapter.desk.answers.lost((s.called, s.caller, s.occurred_at, int(s.kind)) for s in sent)


async def rejected(adapter: Centre, gateway: Gateway, command: int, body: bytes) -> smpp.Pdu:
    adapter.sink.safe.clear()
    before = len(adapter.sink.sent)
    sequence = gateway.send(command, body)
    async with asyncio.timeout(30):
        while len(adapter.sink.sent) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    reject_all(adapter)
    adapter.sink.safe.set()
    answer = await gateway.next()
    assert answer
    assert answer.sequence == sequence
    return answer


@pytest.mark.parametrize("status", [smpp.OK, smpp.INVALID_DESTINATION])
def test_it_is_throttled_and_a_new_event_when_it_comes_again(status: int) -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        answer = await rejected(adapter, gateway, smpp.SUBMIT_SM, MESSAGE)
        assert (answer.command, answer.status) == (smpp.SUBMIT_SM | smpp.RESPONSE, smpp.THROTTLED)
        assert adapter.tally["note_not_taken"] == 1
        assert adapter.sink.lost[-1] == (int(adapter.clock()), int(adapter.clock()) + 1)
        for _ in range(3):  # what was lost is forgotten at last
            adapter.clock.now += 1
            assert (await gateway.ask(smpp.SUBMIT_SM, MESSAGE)).status == status

    assert len(run(test, status=status).sink.sent) == 4


def test_the_first_part_of_a_long_message_is_its_event_when_it_comes_again() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        first, second = (
            made.message(bytes((5, 0, 3, 7, 2, number)) + b"text", esm_class=0x40)
            for number in (1, 2)
        )
        assert (await rejected(adapter, gateway, smpp.SUBMIT_SM, first)).status == smpp.THROTTLED
        adapter.clock.now += 1
        assert (await gateway.ask(smpp.SUBMIT_SM, second)).status == smpp.OK
        assert (await gateway.ask(smpp.SUBMIT_SM, first)).status == smpp.OK

    assert len(run(test).sink.sent) == 2


def test_what_comes_again_after_a_lost_connection_is_no_repeat() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.safe.clear()
        for _ in range(2):  # the same text twice is two messages
            gateway.send(smpp.SUBMIT_SM, MESSAGE)
        await adapter.until("event", 2)
        gateway.close()
        other = await adapter.gateway()
        while await other.bind() != smpp.OK:
            other = await adapter.gateway()
        sequence = other.send(smpp.SUBMIT_SM, MESSAGE)  # before it is known what became of it
        await adapter.until("repeat")
        reject_all(adapter)
        adapter.sink.safe.set()
        assert (answer := await other.next())
        assert (answer.sequence, answer.status) == (sequence, smpp.THROTTLED)
        adapter.clock.now += 1
        for _ in range(2):
            assert (await other.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.OK
        assert adapter.tally["repeat"] == 1

    assert len(run(test).sink.sent) == 4


@pytest.mark.slow
@pytest.mark.parametrize("ahead_s", [304, 900], ids=["an event", "a whole batch"])
def test_a_gateway_keeps_what_a_server_with_another_clock_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    clock = SteppingClock(tmp_path / "offset")
    (port,) = free_ports(1)

    async def send(client: Client) -> None:
        gateway = Gateway(*await asyncio.open_connection("127.0.0.1", port))
        assert await gateway.bind(*(word.encode() for word in ACCOUNT)) == smpp.OK
        clock.set_offset(ahead_s)
        assert (await gateway.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.THROTTLED
        assert (await gateway.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.THROTTLED
        assert counts(client) == {}
        clock.set_offset(0)
        assert (await gateway.ask(smpp.SUBMIT_SM, MESSAGE)).status == smpp.OK
        assert counts(client) == {int(made.CALLED): 1}
        gateway.close()

    with counting_server(tmp_path) as server, Client(server.address) as client:
        prepare(client)
        with (
            clock.preloaded(monkeypatch),
            running(server.address, tmp_path, "--listen", f"127.0.0.1:{port}"),
        ):
            asyncio.run(send(client))
