"""Agents that were named are listened to; what strangers send is counted and costs nothing."""

import asyncio
import random
import socket
import struct
import time
from contextlib import suppress

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support.hep_adapter import adapter
from support.reported_calls import Arrival, reports
from support.server_process import ServerProcess
from support.switch_traffic import AT, ListSink, chunk, former, framed, hep, sip

from ringfence.adapters.agents import ID_MAX, STRANGER, Agent, Agents
from ringfence.adapters.hep_listener import STALL_S, HepListener
from ringfence.adapters.hep_reader import LATE_S, HepReader
from ringfence.cli import main
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

GB = DialPlan.of_country(44)
OURS, OTHER = "192.0.2.4", "198.51.100.9"
LOST = [(AT - LATE_S, AT + 1)]
CUT = hep(sip()[:90])
KEY = "s3cr3t"
PATIENCE_S = 20.0


def named(*texts: str) -> Agents:
    return Agents(map(Agent.parse, texts))


def heard(
    datagram: bytes, sender: str, *agents: str, auth_key: str = ""
) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """The outcomes, and the lost time."""
    reader = HepReader(GB, agents=named(*agents), auth_key=auth_key)
    reader.read(datagram, AT, sender)
    return dict(reader.tally), reader.lost()


@pytest.mark.parametrize(
    "name", ["2001", OURS, "192.0.2.0/24", f"2001={OURS}", "2001=192.0.2.0/24"]
)
def test_a_named_agent_is_heard(name: str) -> None:
    assert heard(hep(sip()), OURS, name) == ({"event": 1}, [])
    assert heard(CUT, OURS, name) == ({"sip_truncated": 1}, LOST)
    assert heard(hep(sip())[:-5], OURS, name) == ({"hep_length": 1}, LOST)


@pytest.mark.parametrize(
    "name", ["2002", OTHER, "198.51.100.0/24", f"2001={OTHER}", f"2002={OURS}"]
)
@pytest.mark.parametrize("datagram", [hep(sip()), CUT, hep(b"x", protocol=100)])
def test_a_stranger_is_counted_and_costs_nothing(name: str, datagram: bytes) -> None:
    assert heard(datagram, OURS, name) == ({"hep_agent": 1}, [])


def test_a_stranger_costs_nothing_with_what_cannot_be_opened() -> None:
    broken = hep(sip())[:-5]
    assert heard(broken, OURS, OTHER) == ({"hep_agent": 1}, [])
    assert heard(broken, OURS, "2002") == ({"hep_length": 1}, []), "its id is there"
    assert heard(broken[:20], OURS, "2002") == ({"hep_length": 1}, LOST), "it may be the agent"
    assert heard(b"GET / HTTP/1.1\r\n\r\n", OURS, "2001") == ({"hep_magic": 1}, [])


def test_any_of_several_names_will_do() -> None:
    agents = ("7", f"2001={OTHER}", "203.0.113.1")
    assert heard(hep(sip()), OTHER, *agents)[0] == {"event": 1}
    assert heard(hep(sip()), OURS, *agents)[0] == {"hep_agent": 1}
    assert heard(hep(sip()), "203.0.113.1", *agents)[0] == {"event": 1}


def test_without_names_everybody_is_believed() -> None:
    for sender in (OURS, OTHER, "2001:db8::1", ""):
        assert heard(hep(sip()), sender) == ({"event": 1}, [])
        assert heard(CUT, sender) == ({"sip_truncated": 1}, LOST)


def test_address_of_a_capture_is_not_known() -> None:
    assert heard(hep(sip()), "", f"2001={OURS}") == ({"event": 1}, [])
    assert heard(hep(sip()), "", f"2002={OURS}") == ({"hep_agent": 1}, [])


def test_addresses_of_ipv6_and_of_ipv4_inside_it() -> None:
    assert heard(hep(sip()), "2001:db8::1", "2001:db8::/64")[0] == {"event": 1}
    assert heard(hep(sip()), "fe80::1%eth0", "fe80::1")[0] == {"event": 1}
    assert heard(hep(sip()), f"::ffff:{OURS}", OURS)[0] == {"event": 1}
    assert heard(hep(sip()), "2001:db8:1::1", "2001:db8::/64")[0] == {"hep_agent": 1}


@pytest.mark.parametrize(
    "octets",
    [struct.pack(">I", 2002), struct.pack("<I", 2002), b"\x07\xd2\0\0", b"\x07\xd2", b"\xd2\x07"],
)
def test_the_id_of_an_agent_in_whatever_order_of_octets(octets: bytes) -> None:
    datagram = framed(chunk(11, b"\1"), chunk(12, octets), chunk(15, sip()))
    assert heard(datagram, OURS, "2002")[0] == {"event": 1}
    assert heard(datagram, OURS, "2003")[0] == {"hep_agent": 1}


def test_an_agent_without_an_id_is_not_one_that_was_named_by_it() -> None:
    for id_chunk in (b"", chunk(12, b"")):
        datagram = framed(chunk(11, b"\1"), id_chunk, chunk(15, sip()))
        assert heard(datagram, OURS, "0", "2001")[0] == {"hep_agent": 1}
        assert heard(datagram, OURS, OURS)[0] == {"event": 1}


@pytest.mark.parametrize(
    "datagram",
    [hep(b"\x16\x03\x01 ciphertext"), hep(b"{}", protocol=50), hep(b"\r\n\r\n"), b"<13>log"],
    ids=["not SIP", "another type", "empty", "not HEP"],
)
def test_a_named_agent_that_is_never_understood_costs_coverage(datagram: bytes) -> None:
    reader = HepReader(GB, agents=named(OURS))
    for n in range(3):
        reader.read(datagram, AT + n, OURS)
        assert reader.lost() == [(AT + n - LATE_S, AT + n + 1)]
    reader.read(hep(sip("OPTIONS")), AT + 3, OURS)
    reader.read(datagram, AT + 4, OURS)
    assert reader.lost() == [], "by now it is known that it sends what can be read"


def test_each_named_agent_is_to_be_understood_by_itself() -> None:
    reader = HepReader(GB, agents=named(OTHER, OURS))
    reader.read(hep(sip("OPTIONS")), AT, OTHER)
    reader.read(hep(b"{}", protocol=50), AT, OURS)
    assert reader.lost() == LOST


def test_pieces_of_a_call_are_no_failure_to_understand() -> None:
    reader = HepReader(GB, agents=named("2001"))
    reader.read(hep(sip()[:90], transport=6), AT)
    made = reader.read(hep(sip()[90:], transport=6), AT)
    assert (len(made), reader.lost()) == (1, [])


def test_with_a_key_a_stranger_is_who_does_not_bear_it() -> None:
    bearing = framed(chunk(11, b"\1"), chunk(14, KEY.encode()), chunk(15, sip()[:90]))
    assert heard(bearing, OURS, auth_key=KEY) == ({"sip_truncated": 1}, LOST)
    assert heard(bearing[:-9], OURS, auth_key=KEY) == ({"hep_length": 1}, LOST)
    assert heard(bearing, OURS, auth_key="other") == ({"hep_auth_key": 1}, [])
    for datagram in (bearing[:-9], hep(sip())[:-5], b"HEP3", b"\2\x10\2\x11" + bytes(40)):
        assert heard(datagram, OURS, auth_key="other")[1] == []


def test_agents_of_one_id_are_told_apart_by_their_address() -> None:
    # Legs behind a back-to-back agent, a moment apart; the clock of one agent is far behind.
    slow = hep(sip(call_id="a"), at=AT - 100)
    right = hep(sip(call_id="b", uri="sip:+447700900123@gw2"), at=AT)
    for order in ((slow, right), (right, slow)):
        reader = HepReader(GB)
        made = [reader.read(each, AT + 1, OURS if each is slow else OTHER) for each in order]
        assert sum(map(len, made)) == 1


def test_agents_of_one_id_and_address_are_told_by_the_receipt_once_their_times_go_back() -> None:
    reader = HepReader(GB)
    made = 0
    for call in range(4):
        for clock, gateway in ((0, "gw1"), (-100, "gw2")):
            now = AT + 30 * call
            uri = f"sip:+447700900123@{gateway}"
            datagram = hep(sip(call_id=f"{call}-{gateway}", uri=uri), at=now + clock)
            made += len(reader.read(datagram, now + 1, OURS))
    assert made == 4


def test_pieces_of_two_agents_with_one_id_are_not_put_together() -> None:
    reader = HepReader(GB)
    reader.read(hep(sip()[:90], transport=6), AT, OURS)
    assert reader.read(hep(sip()[90:], transport=6), AT, OTHER) == []
    assert reader.lost() == LOST


@pytest.mark.parametrize(
    "text",
    ["", "=", "x", "-1", "4294967296", "192.0.2.4=2001", "2001=", "=192.0.2.4", "192.0.2.1/24"],
)
def test_what_names_no_agent_is_wrong_usage(text: str) -> None:
    with pytest.raises(ValueError, match="not an agent: "):
        Agent.parse(text)
    options = ["adapter", "hep", "--feed", "sip-1", "--country", "44", f"--agent={text}"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 2
    assert f"not an agent: {text!r}, allowed: a capture id of 0 to {ID_MAX}" in done.output


def test_senders_that_were_looked_up_take_bounded_memory() -> None:
    agents = named("192.0.2.0/24")
    for n in range(5_000):
        assert agents.which(f"203.0.{n >> 8}.{n & 255}", None) == STRANGER
    assert agents.which(OURS, None) == 0


@pytest.mark.slow
@given(ours=reports(), others=reports(), order=st.randoms())
def test_whatever_strangers_send_changes_nothing(
    ours: list[Arrival], others: list[Arrival], order: random.Random
) -> None:
    alone, beside = (HepReader(GB, agents=named(OURS)) for _ in range(2))
    now = AT
    for arrival in ours:
        now += arrival.after_s
        while others and order.random() < 0.5:
            assert beside.read(others.pop().datagram, now, OTHER) == []
        assert beside.read(arrival.datagram, now, OURS) == alone.read(arrival.datagram, now, OURS)
        assert beside.lost() == alone.lost()
        assert beside.waits_since == alone.waits_since
    assert beside.finish() == alone.finish()
    assert beside.lost() == alone.lost()


async def ended(agents: Agents, auth_key: str, octets: bytes) -> tuple[dict[str, int], ListSink]:
    """What becomes of a connection that ends after these octets."""
    sink = ListSink()
    reader = HepReader(GB, agents=agents, auth_key=auth_key)
    listener = HepListener(reader, sink, "127.0.0.1", 0, clock=lambda: AT)
    where = await listener.open()
    await listener.start()
    incoming, writer = await asyncio.open_connection(*parse_address(where.partition("=")[2]))
    async with asyncio.timeout(PATIENCE_S):
        with suppress(OSError):  # closed at once, or while something lay there unread
            writer.write(octets)
            writer.write_eof()
            assert await incoming.read() == b""
    writer.close()
    await listener.close()
    return dict(listener.tally), sink


BROKEN = [(AT - int(STALL_S) - LATE_S, AT + 1)]


@pytest.mark.parametrize(
    ("agents", "auth_key", "octets", "tally", "lost"),
    [
        ((), "", hep(sip())[:-5], {"note_tcp_cut": 1}, BROKEN),
        ((), "", b"HE", {"note_tcp_cut": 1}, BROKEN),
        ((), "", former(sip()), {"hep_magic": 1}, BROKEN),
        ((), "", former(sip())[:9], {"hep_magic": 1}, BROKEN),
        ((), "", hep(sip()) + b"GET /", {"event": 1, "hep_magic": 1}, BROKEN),
        ((), "", b"GET / HTTP/1.1\r\n\r\n", {"hep_magic": 1}, []),
        ((), KEY, hep(sip())[:-5], {"note_tcp_cut": 1}, []),
        (("127.0.0.1",), "", hep(sip())[:-5], {"note_tcp_cut": 1}, BROKEN),
        ((OURS,), "", hep(sip()), {"note_tcp_stranger": 1}, []),
        (("2002",), "", hep(sip())[:-5], {"note_tcp_cut": 1}, []),
        (("2001",), "", hep(sip())[:-5], {"note_tcp_cut": 1}, BROKEN),
        (("2001",), "", hep(sip()) + b"GET /", {"event": 1, "hep_magic": 1}, BROKEN),
    ],
)
def test_connection_that_breaks_costs_only_what_may_be_of_an_agent(
    agents: tuple[str, ...],
    auth_key: str,
    octets: bytes,
    tally: dict[str, int],
    lost: list[tuple[int, int]],
) -> None:
    heard, sink = asyncio.run(ended(named(*agents), auth_key, octets))
    assert heard == tally
    assert sink.lost == lost


@pytest.mark.slow
def test_command_hears_the_agents_that_it_is_told(own_server: ServerProcess) -> None:
    with adapter(own_server.address, "--agent", "2002", "--agent", "2003=127.0.0.1") as running:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for number in (2001, 2002, 2003, 2004):
                report = hep(sip(call_id=f"{number}"), agent=number, at=int(time.time()))
                udp.sendto(report, running.address)
        code, said = running.stop()
    assert code == 0, said
    assert "read event=2 hep_agent=2" in said
