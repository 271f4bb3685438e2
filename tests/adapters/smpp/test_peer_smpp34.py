"""Another stack (smpp34, in Rust) as gateway and as SMS centre, each against the adapter.

What it cannot do from Python: send data_sm and submit_multi (other tests make those), ask with
enquire_link, say with which status a bind was refused, or refuse one as a centre. As a centre it
does not take the answers of a receiver, not even of its own, so there the adapter is a transceiver.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import smpp34
from support import smpp_pdus as made
from support.programs import free_ports
from support.run_seed import run_seed
from support.smpp_peer import NAME, PASSWORD, PATIENCE_S, Centre, Clock, SafeList, run
from support.switch_traffic import AT

from ringfence import EventKind, caller_of_text
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.esme import Esme
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.wording.dialled import DialPlan

CALLED, CALLER = int(made.CALLED), int(made.CALLER)
NATIONAL = {"dest_addr_ton": 2, "dest_addr_npi": 1}
INTERNATIONAL = {"dest_addr_ton": 1, "dest_addr_npi": 1}
FROM: dict[str, Any] = {"source_addr": made.CALLER, "source_addr_ton": 1, "source_addr_npi": 1}
Kept = list[tuple[str, bytes, dict[str, Any]]]
"""Messages to be sent: number, text, and what else is said."""


@asynccontextmanager
async def gateway(
    adapter: Centre, name: bytes = NAME, password: bytes = PASSWORD, **more: Any
) -> AsyncIterator[smpp34.Smsc]:
    """Bound, or smpp34.SmppError when it is not within a second."""
    client = smpp34.Client(
        *("127.0.0.1", adapter.port, name.decode(), password.decode()),
        connect_timeout_ms=1_000,
        **more,
    )
    try:
        yield await client.connect()
    finally:
        await client.stop()


async def sent(centre: smpp34.Smsc, messages: Kept) -> list[int]:
    """Sends them all at once, as the window lets it; the statuses."""
    answers = await asyncio.gather(
        *(centre.submit_sm(number, text, **{**FROM, **more}) for number, text, more in messages)
    )
    return [answer.command_status for answer in answers]


async def patiently(waited: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(waited, PATIENCE_S)


def test_numbers_and_senders_are_what_they_are_however_they_are_written() -> None:
    bank = caller_of_text("BANKNAME"), EventKind.A2P_SMS
    numbers: list[tuple[str, dict[str, Any]]] = [
        (made.CALLED, INTERNATIONAL),
        ("+" + made.CALLED, INTERNATIONAL),
        ("00" + made.CALLED, {"dest_addr_ton": 0, "dest_addr_npi": 0}),
        (made.CALLED, NATIONAL),
        ("07700900123", NATIONAL),
        ("7700900123", {"dest_addr_ton": 2, "dest_addr_npi": 8}),
    ]
    senders: list[tuple[str, int, tuple[int, EventKind]]] = [
        (made.CALLER, 1, (CALLER, EventKind.SMS)),
        ("01632960321", 2, (CALLER, EventKind.SMS)),
        ("BANKNAME", 5, bank),
        ("BankName", 0, bank),
        ("61234", 3, (61234, EventKind.A2P_SMS)),
        ("", 0, (0, EventKind.SMS)),
        ("anonymous", 5, (0, EventKind.SMS)),
    ]
    rows = [(number, sender) for number in numbers for sender in senders]

    async def test(adapter: Centre) -> None:
        async with gateway(adapter) as centre:
            for (number, how), (text, ton, _) in rows:
                sender: dict[str, Any] = {
                    "source_addr": text,
                    "source_addr_ton": ton,
                    "source_addr_npi": ton % 5,
                }
                answer = await centre.submit_sm(number, b"hi", **how, **sender)
                assert answer.is_success
                assert answer.message_id

    found = run(test).sink.sent
    assert found == [(CALLED, caller, AT, kind) for _, (_, _, (caller, kind)) in rows]


def long_messages() -> Kept:
    """Four messages of three parts to each of 20 numbers, each in another form."""
    messages: Kept = []
    for number in range(CALLED, CALLED + 20):
        for part in (1, 2, 3):
            tail = b"part %d" % part
            sar = [
                smpp34.Tlv(0x020C, b"\0\7"),
                smpp34.Tlv(0x020E, b"\3"),
                smpp34.Tlv(0x020F, bytes((part,))),
            ]
            payload = smpp34.Tlv(0x0424, made.udh8(9, 3, part) + bytes(60_000))
            messages += [
                (str(number), made.udh8(7, 3, part) + tail, {"esm_class": 0x40}),
                (str(number), made.udh16(7, 3, part) + tail, {"esm_class": 0x43}),
                (str(number), tail, {"tlvs": sar}),
                (str(number), b"", {"esm_class": 0x40, "tlvs": [payload]}),
            ]
    return [(number, text, {**INTERNATIONAL, **more}) for number, text, more in messages]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [run_seed()])
def test_long_messages_mixed_in_any_order_are_one_event_each(seed: int) -> None:
    messages = long_messages()
    random.Random(seed).shuffle(messages)

    async def test(adapter: Centre) -> None:
        async with gateway(adapter, window_size=64) as centre:
            assert set(await sent(centre, messages)) == {smpp.OK}

    adapter = run(test)
    called = Counter(event.called for event in adapter.sink.sent)
    assert called == {number: 4 for number in range(CALLED, CALLED + 20)}
    assert adapter.tally == {"event": 80, "part": 160, "note_bound": 1}


def test_receipts_are_no_events_and_what_is_refused_is_one() -> None:
    async def test(adapter: Centre) -> None:
        async with gateway(adapter) as centre:
            receipt = (made.CALLED, b"id:1", {**INTERNATIONAL, "esm_class": 4})
            whole = (made.CALLED, b"hello", INTERNATIONAL)
            statuses = await sent(centre, [receipt, whole])
            assert statuses == [smpp.INVALID_DESTINATION] * 2

    adapter = run(test, status=smpp.INVALID_DESTINATION)
    assert adapter.tally == {"receipt": 1, "event": 1, "note_bound": 1}


def test_beyond_the_window_it_is_told_that_it_is_throttled() -> None:
    async def test(adapter: Centre) -> None:
        adapter.sink.safe.clear()
        async with gateway(adapter, window_size=8) as centre:
            messages: Kept = [(str(CALLED + n), b"hi", INTERNATIONAL) for n in range(5)]
            sending = asyncio.create_task(sent(centre, messages))
            await adapter.until("note_throttled", 3)
            adapter.sink.safe.set()
            statuses = await patiently(sending)
            assert sorted(statuses) == [smpp.OK] * 2 + [smpp.THROTTLED] * 3
            for message, status in zip(messages, statuses, strict=True):
                if status == smpp.THROTTLED:  # again, later, as a gateway does
                    assert await sent(centre, [message]) == [smpp.OK]

    called = sorted(event.called for event in run(test, window=2).sink.sent)
    assert called == [CALLED + n for n in range(5)]


@pytest.mark.slow
@pytest.mark.parametrize("who", [(NAME, b"wrong"), (b"stranger", PASSWORD), (NAME, PASSWORD)])
def test_who_may_not_bind_is_refused_and_nobody_else_is_hurt(who: tuple[bytes, bytes]) -> None:
    async def test(adapter: Centre) -> None:
        async with gateway(adapter) as centre:
            with pytest.raises(smpp34.SmppError):
                async with gateway(adapter, *who):
                    pass
            assert (await centre.submit_sm(made.CALLED, b"hi", **FROM)).is_success
        await adapter.until("note_bind_refused")

    assert run(test).tally["note_bound"] == 1


def test_it_answers_whether_it_is_there_and_says_goodbye() -> None:
    async def test(adapter: Centre) -> None:
        async with gateway(adapter) as centre:
            adapter.stopwatch.now += 6
            adapter.clock.now += 6
            assert adapter.hearing.until == AT
            adapter.smsc.look()
            async with asyncio.timeout(PATIENCE_S):
                while adapter.hearing.until == AT:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert adapter.hearing.until == AT + 6
            await centre.unbind()
            assert isinstance(await patiently(centre.next()), smpp34.Disconnected)
        async with gateway(adapter) as again:
            assert (await again.submit_sm(made.CALLED, b"hi", **FROM)).is_success

    assert run(test).tally["note_bound"] == 2


class CentreOf34:
    """The stack as SMS centre, the adapter bound to it."""

    def __init__(self, server: smpp34.Server) -> None:
        self.server = server
        self.sink, self.clock = SafeList(), Clock()
        self.reader = SmppReader(DialPlan.of_country(44))
        self.hearing = Hearing([NAME.decode()], self.sink.lose, self.clock())

    def esme(self, port: int) -> Esme:
        desk = Desk(self.reader, self.sink, self.hearing, clock=self.clock)
        account = NAME.decode(), PASSWORD.decode()
        said: list[str] = []
        return Esme(desk, account, "127.0.0.1", port, say=said.append, receiver=False)


@asynccontextmanager
async def centre_of_34() -> AsyncIterator[tuple[CentreOf34, smpp34.Esme]]:
    (port,) = free_ports(1)
    server = smpp34.Server("127.0.0.1", port)
    await server.start()
    centre = CentreOf34(server)
    esme = centre.esme(port)
    await esme.open()
    await esme.start()
    try:
        bound = await patiently(server.next())
        assert isinstance(bound, smpp34.Esme)
        yield centre, bound
    finally:
        centre.sink.safe.set()
        await esme.close()
        await server.stop()


async def delivered(bound: smpp34.Esme, messages: Sequence[dict[str, Any]]) -> list[int]:
    answers = await asyncio.gather(
        *(bound.deliver_sm(made.CALLED, **{**FROM, **message}) for message in messages)
    )
    return [answer.command_status for answer in answers]


def test_what_it_delivers_as_centre_is_one_event_each() -> None:
    texts: list[dict[str, Any]] = [
        {"short_message": b"hello", **INTERNATIONAL},
        {"short_message": b"hello", "source_addr": "BANKNAME", "source_addr_ton": 5},
        {"short_message": b"hello", "source_addr": "", "source_addr_ton": 0},
        {"short_message": b"id:1", "esm_class": 4},
        {"tlvs": [smpp34.Tlv(0x0424, bytes(64_000))]},
        *({"short_message": made.udh8(1, 2, n) + b"hi", "esm_class": 0x40} for n in (2, 1)),
    ]

    async def test() -> CentreOf34:
        async with centre_of_34() as (centre, bound):
            assert bound.system_id == NAME.decode()
            assert bound.can_receive
            assert await delivered(bound, texts) == [smpp.OK] * len(texts)
        return centre

    centre = asyncio.run(test())
    assert centre.reader.tally == {"event": 5, "part": 1, "receipt": 1, "note_bound": 1}
    assert Counter(event.caller for event in centre.sink.sent) == {
        CALLER: 3,
        caller_of_text("BANKNAME"): 1,
        0: 1,
    }


def test_it_gets_no_answer_as_centre_before_the_event_is_safe() -> None:
    async def test() -> None:
        async with centre_of_34() as (centre, bound):
            centre.sink.safe.clear()
            delivering = asyncio.create_task(delivered(bound, [{"short_message": b"hi"}]))
            async with asyncio.timeout(PATIENCE_S):
                while not centre.reader.tally["event"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not delivering.done()
            centre.sink.safe.set()
            assert await patiently(delivering) == [smpp.OK]

    asyncio.run(test())


def test_an_adapter_that_a_centre_unbinds_comes_back() -> None:
    async def test() -> None:
        async with centre_of_34() as (centre, bound):
            await bound.unbind()
            events = [await patiently(centre.server.next()) for _ in range(2)]
            (again,) = [event for event in events if isinstance(event, smpp34.Esme)]
            assert await delivered(again, [{"short_message": b"hi"}]) == [smpp.OK]

    asyncio.run(test())
