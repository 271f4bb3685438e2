"""An adapter of which nothing comes says so, once, and where to look."""

import asyncio

import pytest
from support.switch_traffic import AT, hep, sip

from ringfence.adapters.agents import Agent, Agents
from ringfence.adapters.base import Tally
from ringfence.adapters.first_hint import WAIT_S, hint_after_a_while, hint_of
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan


def hint(*datagrams: bytes, country: int = 44, auth_key: str = "") -> str:
    reader = HepReader(DialPlan.of_country(country), auth_key=auth_key)
    for datagram in datagrams:
        reader.read(datagram, AT)
    return hint_of(reader.tally)


def test_it_comes_within_a_minute() -> None:
    assert WAIT_S < 60


def test_silence_is_told() -> None:
    assert hint().startswith("nothing has arrived")
    assert hint_of(Tally(note_tcp_refused=1)).startswith("nothing has arrived")


@pytest.mark.parametrize(
    ("datagram", "auth_key", "says"),
    [
        (b"<13>a log line", "", "hep_magic=2: it is not HEP"),
        (hep(sip()), "s3cr3t", "hep_auth_key=2: its key is not the one of --auth-key"),
        (hep(b"{}", protocol=5), "", "hep_type=2: it holds neither SIP"),
        (hep(sip()[:-2]), "", "sip_truncated=2: "),
    ],
)
def test_what_is_not_understood_is_told_with_its_cause(
    datagram: bytes, auth_key: str, says: str
) -> None:
    said = hint(datagram, datagram, auth_key=auth_key)
    assert said.startswith("nothing of what arrived was understood: ")
    assert says in said
    assert "s3cr3t" not in said


def test_calls_that_reach_no_number_are_told() -> None:
    national = hep(sip(uri="sip:07700900123@x"))
    assert "called_not_a_number=1: is --country" in hint(national, country=1)
    assert hint(national) == ""


@pytest.mark.parametrize("message", [sip(), sip("OPTIONS"), b"SIP/2.0 200 OK\r\n\r\n"])
def test_what_is_understood_needs_no_hint(message: bytes) -> None:
    assert hint(b"garbage", b"garbage", hep(message)) == ""


def test_named_agents_that_were_never_understood_are_told() -> None:
    names = ("2001", "2002", "192.0.2.0/24", "7=2001:db8::1")
    reader = HepReader(DialPlan.of_country(44), agents=Agents(map(Agent.parse, names)))
    reader.read(hep(sip()), AT, "198.51.100.1")
    said: list[str] = []
    for _ in range(2):
        wait = hint_after_a_while(reader.tally, said.append, more=reader.agents.hint, wait_s=0.01)
        asyncio.run(wait)
    assert "of --agent 2002, 192.0.2.0/24, 7=2001:db8::1/128: " in said[0]
    assert Agents().hint() == ""


def test_it_is_said_once_after_a_while() -> None:
    said: list[str] = []
    asyncio.run(hint_after_a_while(Tally(), said.append, wait_s=0.01))
    asyncio.run(hint_after_a_while(Tally(event=1), said.append, wait_s=0.01))
    assert len(said) == 1
    assert said[0].startswith("after 0.01 s nothing has arrived")


def test_what_is_said_of_nothing_is_the_adapters_own() -> None:
    assert hint_of(Tally(), "is the file there?") == "is the file there?"
    assert hint_of(Tally(event=1), "is the file there?") == ""
