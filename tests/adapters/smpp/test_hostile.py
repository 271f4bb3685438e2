"""Whatever a bound gateway sends, the adapter reads it or counts why not, and goes on."""

import asyncio
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import smpp_pdus as made
from support.places import DATA
from support.smpp_peer import NAME, PASSWORD, Centre, run
from support.smpp_walk import walked

from ringfence.adapters.base import Unreadable
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.body import bind_body, read_message
from ringfence.adapters.smpp.pdu import Framing, Pdu, written
from ringfence.adapters.smpp.reader import MESSAGES, SmppReader
from ringfence.wording.dialled import DialPlan

KANNEL = [p for _, p in made.captured(DATA / "switch" / "smpp" / "kannel.pcap", 12775)]
NUMBER = (1, 1, made.CALLED)
BODIES = {
    smpp.SUBMIT_SM: [p.body for p in KANNEL if p.command == smpp.SUBMIT_SM],
    smpp.DELIVER_SM: [made.message(b"id:1", esm_class=4), made.message(made.udh8(1, 2, 1))],
    smpp.DATA_SM: [made.data(tlvs=made.tlv(0x0424, b"hello")), made.data(tlvs=made.sar(1, 2, 1))],
    smpp.SUBMIT_MULTI: [made.multi(NUMBER, (5, 0, "x")), made.multi(NUMBER, lists=(b"all",))],
}
OTHERS = [smpp.ENQUIRE_LINK, smpp.QUERY_SM, smpp.REPLACE_SM, smpp.CANCEL_SM, smpp.ALERT, 0x99]

tlvs = st.builds(
    lambda tag, length, value: struct.pack(">HH", tag, length) + value,
    st.sampled_from([0x1E, 0x020C, 0x020E, 0x020F, 0x0424, 0x1400, 0xFFFF]),
    st.integers(0, 9) | st.just(0xFFFF),
    st.binary(max_size=9),
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[int, bytes]:
    """A real message with octets changed, added and taken away, and parameters behind it."""
    command = draw(st.sampled_from(sorted(BODIES)))
    body = bytearray(draw(st.sampled_from(BODIES[command])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(body)))
        match draw(st.sampled_from(["changed", "added", "gone", "repeated"])):
            case "changed":
                body[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "added":
                body[at:at] = draw(st.binary(max_size=4))
            case "gone":
                del body[at : at + draw(st.integers(0, 8))]
            case _:
                body[at:at] = body[at : at + 8]
    for each in draw(st.lists(tlvs, max_size=2)):
        body += each
    if draw(st.booleans()):
        command = draw(st.sampled_from(sorted(MESSAGES)))
    return command, bytes(body)


@pytest.mark.slow
@settings(max_examples=500)
@given(bodies() | st.tuples(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=60)))
def test_a_message_is_read_as_a_walk_over_its_octets_reads_it(message: tuple[int, bytes]) -> None:
    command, body = message
    wanted = walked(command, body)
    try:
        read = read_message(command, body)
    except Unreadable as unreadable:
        assert wanted is None
        assert unreadable.reason.startswith("smpp_")
    else:
        assert wanted == read


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(bodies(), max_size=8))
def test_each_message_has_outcomes_or_one_reason(messages: list[tuple[int, bytes]]) -> None:
    reader = SmppReader(DialPlan.of_country(44))
    for command, body in messages:
        before = sum(reader.tally.values())
        unread = {name: n for name, n in reader.tally.items() if name.startswith("smpp_")}
        try:
            taken = reader.read(Pdu(command, 0, 1, body), 0)
        except Unreadable as unreadable:
            assert reader.tally[unreadable.reason] == unread.get(unreadable.reason, 0) + 1
            assert sum(reader.tally.values()) == before + 1
        else:
            assert sum(reader.tally.values()) > before
            assert all(0 < called < 10**15 for called in taken.called)
            assert 0 <= taken.sender.caller < 2**64


pieces = st.one_of(
    bodies().map(lambda each: written(each[0], 0, 7, each[1])),
    st.tuples(st.sampled_from(OTHERS), st.binary(max_size=20)).map(
        lambda each: written(each[0], 0, 7, each[1])
    ),
    st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=20)).map(
        lambda each: written(each[0], 1, 7, each[1])
    ),
    st.binary(max_size=40),
    st.sampled_from([8, 0, 15, 17, 2**31]).map(lambda length: struct.pack(">4I", length, 4, 0, 1)),
)


def outcomes(stream: bytes) -> tuple[int, int]:
    """How many messages of a stream, up to its end or an unbind, can be read, and cannot."""
    found = [0, 0]
    try:
        for pdu in Framing().feed(stream):
            if pdu.command == smpp.UNBIND:
                break
            if pdu.command in MESSAGES:
                message = walked(pdu.command, pdu.body)
                found[message is None or bool(message.lists) or not message.destinations] += 1
    except Unreadable:
        return found[0], found[1] + 1
    return found[0], found[1]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(pieces, max_size=6), st.booleans())
def test_a_live_session_survives_and_what_was_not_read_is_lost_time(
    octets: list[bytes], at_once: bool
) -> None:
    stream = b"".join(octets)
    read, unread = outcomes(stream)

    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        adapter.sink.lost.clear()
        for each in [stream] if at_once else octets:
            gateway.writer.write(each)
            await asyncio.sleep(0)
        with suppress(OSError):  # the adapter has closed it already
            gateway.writer.write_eof()
        while await gateway.next():
            pass
        again = await adapter.gateway()
        while await again.bind() != smpp.OK:
            again = await adapter.gateway()
        assert (await again.ask(smpp.SUBMIT_SM, made.message(b"the last"))).status == smpp.OK

    adapter = run(test)
    messages = ("event", "part", "repeat", "receipt", "called_not_a_number")
    assert sum(adapter.tally[name] for name in messages) >= read + 1
    reasons = sum(count for name, count in adapter.tally.items() if name.startswith("smpp_"))
    assert reasons >= unread
    if reasons or unread:
        assert adapter.sink.lost


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([smpp.BIND_RECEIVER, smpp.BIND_TRANSCEIVER]))
def test_a_stranger_costs_no_time_whatever_it_sends(octets: bytes, command: int) -> None:
    async def test(adapter: Centre) -> None:
        for each in (octets, written(command, 0, 1, octets)):
            stranger = await adapter.gateway()
            stranger.writer.write(each)
            stranger.writer.write_eof()
            while await stranger.next():
                pass

    adapter = run(test)
    assert (adapter.sink.lost, adapter.sink.sent) == ([], [])


def test_a_bind_with_anything_behind_it_is_a_bind() -> None:
    async def test(adapter: Centre) -> None:
        body = bind_body(NAME, PASSWORD)
        gateway = await adapter.gateway()
        assert (await gateway.ask(smpp.BIND_TRANSMITTER, body + bytes(900))).status == smpp.OK

    assert run(test).tally == {"note_bound": 1}


def test_senders_of_any_length_take_no_room() -> None:
    reader = SmppReader(DialPlan.of_country(44))
    long = "x" * 50_000
    tracemalloc.start()
    try:
        for number in range(200):
            body = made.message(caller=(5, 0, f"{number}{long}"))
            assert reader.read(Pdu(smpp.SUBMIT_SM, 0, 1, body), 0).called
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * len(long)
