"""A third stack (aiosmpplib, in Python) as gateway: it cuts long messages into parts itself.

What it cannot do: be an SMS centre, send data_sm and submit_multi, or cut with references of 16
bits. The parts that it makes have a header and sar parameters at once. It never gives up binding:
a bind that is refused is tried again until it is stopped.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmpplib import (
    ESME,
    NPI,
    TON,
    AbstractHook,
    BindMode,
    PhoneNumber,
    SmppMessage,
    SubmitSm,
)
from support import smpp_pdus as made
from support.smpp_peer import NAME, PASSWORD, PATIENCE_S, Centre, run
from support.switch_traffic import AT

from ringfence import EventKind, caller_of_text
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.pdu import RESPONSE, Framing, Pdu

# It ends a connection by writing, and leaves the closing to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

CALLED, CALLER = int(made.CALLED), int(made.CALLER)
LONG = "This is more than one message can hold. " * 10


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What it leaves is collected here, and not in another test."""
    yield
    gc.collect()


class Kept(AbstractHook):  # type: ignore[misc]
    """Keeps what the adapter sends."""

    def __init__(self) -> None:
        self.pdus: asyncio.Queue[Pdu] = asyncio.Queue()
        self.errors: list[Exception] = []

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        pass

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        for each in Framing().feed(pdu):
            self.pdus.put_nowait(each)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        self.errors.append(error)

    async def answer(self, command: int) -> Pdu:
        """The next answer to such a request."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                pdu = await self.pdus.get()
                if pdu.command == command | RESPONSE:
                    return pdu


@asynccontextmanager
async def gateway(
    adapter: Centre, password: bytes = PASSWORD, **more: Any
) -> AsyncIterator[tuple[ESME, Kept]]:
    hook = Kept()
    esme = ESME(
        *("127.0.0.1", adapter.port, NAME.decode(), password.decode()),
        hook=hook,
        log_level="CRITICAL",
        **more,
    )
    running = asyncio.create_task(esme.start())
    try:
        yield esme, hook
        assert hook.errors == []
        await asyncio.wait_for(esme.stop(), PATIENCE_S)
    finally:
        running.cancel()
        await asyncio.wait({running})


def message(text: str = "hello", called: int = CALLED, **more: Any) -> SubmitSm:
    source = more.pop("source", PhoneNumber(made.CALLER, TON.INTERNATIONAL, NPI.ISDN))
    destination = PhoneNumber(str(called), TON.INTERNATIONAL, NPI.ISDN)
    return SubmitSm(short_message=text, source=source, destination=destination, **more)


def test_each_message_is_one_event_however_it_is_cut_and_whoever_sends_it() -> None:
    bank = PhoneNumber("BANKNAME", TON.ALPHANUMERIC, NPI.UNKNOWN)
    nobody = PhoneNumber("", TON.UNKNOWN, NPI.UNKNOWN)
    messages = [
        (1, message()),
        (1, message("héllo — ñ", CALLED + 1, source=bank)),
        (1, message(LONG, CALLED + 2)),  # as message_payload
        (3, message(LONG, CALLED + 3, esm_class=0x40, auto_message_payload=False)),
        (2, message(LONG, CALLED + 4, source=nobody, auto_message_payload=False)),
        (3, message(LONG, CALLED + 3, esm_class=0x40, auto_message_payload=False)),
    ]

    async def test(adapter: Centre) -> None:
        async with gateway(adapter) as (esme, hook):
            assert (await hook.answer(smpp.BIND_TRANSCEIVER)).status == smpp.OK
            for parts, each in messages:
                await esme.broker.enqueue(each)
                for _ in range(parts):
                    assert (await hook.answer(smpp.SUBMIT_SM)).status == smpp.OK

    adapter = run(test)
    a2p = caller_of_text("BANKNAME"), AT, EventKind.A2P_SMS
    assert adapter.sink.sent == [
        (CALLED, CALLER, AT, EventKind.SMS),
        (CALLED + 1, *a2p),
        (CALLED + 2, CALLER, AT, EventKind.SMS),
        (CALLED + 3, CALLER, AT, EventKind.SMS),
        (CALLED + 4, 0, AT, EventKind.SMS),
        (CALLED + 3, CALLER, AT, EventKind.SMS),
    ]
    assert adapter.tally == {"event": 6, "part": 5, "note_bound": 1}


def test_it_is_heard_by_its_questions_and_says_goodbye() -> None:
    async def test(adapter: Centre) -> None:
        async with gateway(adapter, enquire_link_interval=0.05) as (_, hook):
            await hook.answer(smpp.BIND_TRANSCEIVER)
            adapter.clock.now = AT + 6
            for _ in range(2):
                assert (await hook.answer(smpp.ENQUIRE_LINK)).status == smpp.OK
            assert adapter.hearing.until == AT + 6
        async with asyncio.timeout(PATIENCE_S):
            while not adapter.hearing.missing:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    assert run(test).tally == {"note_bound": 1}


def test_it_understands_that_it_is_throttled_and_that_a_number_is_refused() -> None:
    async def throttled(adapter: Centre) -> None:
        adapter.sink.safe.clear()
        async with gateway(adapter) as (esme, hook):
            for number in range(3):
                await esme.broker.enqueue(message(called=CALLED + number))
            assert (await hook.answer(smpp.SUBMIT_SM)).status == smpp.THROTTLED
            adapter.sink.safe.set()
            assert [(await hook.answer(smpp.SUBMIT_SM)).status for _ in range(2)] == [smpp.OK] * 2

    async def refused(adapter: Centre) -> None:
        async with gateway(adapter) as (esme, hook):
            await esme.broker.enqueue(message())
            assert (await hook.answer(smpp.SUBMIT_SM)).status == smpp.INVALID_DESTINATION

    assert run(throttled, window=2).tally["event"] == 2
    assert run(refused, status=smpp.INVALID_DESTINATION).tally["event"] == 1


@pytest.mark.parametrize("mode", [BindMode.TRANSMITTER, BindMode.RECEIVER, BindMode.TRANSCEIVER])
def test_it_binds_in_each_way_and_is_refused_with_a_wrong_password(mode: BindMode) -> None:
    async def test(adapter: Centre) -> None:
        async with gateway(adapter, b"wrong", bind_mode=mode):
            await adapter.until("note_bind_refused")
        async with gateway(adapter, bind_mode=mode):
            await adapter.until("note_bound")
        async with asyncio.timeout(PATIENCE_S):
            while not adapter.hearing.missing:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    assert run(test).tally["note_bound"] == 1
