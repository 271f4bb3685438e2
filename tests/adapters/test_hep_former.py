"""HEP versions 1 and 2, in all the ways in which programs write them."""

import pytest
from support.switch_traffic import AT, CALLED, former, hep, sip

from ringfence import EventKind
from ringfence.adapters.agents import Agent, Agents
from ringfence.adapters.base import Attempt
from ringfence.adapters.hep import read_datagram
from ringfence.adapters.hep_former import read_former
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

GB = DialPlan.of_country(44)
THE_CALL = Attempt(int(CALLED[1:]), 441632960321, AT - 7, EventKind.CALL)


def made(*datagrams: bytes, received_at: int = AT) -> list[Attempt]:
    """The events, of which nothing may be lost."""
    reader = HepReader(GB)
    attempts = [each for one in datagrams for each in reader.read(one, received_at)]
    attempts += reader.finish()
    assert reader.lost() == []
    return attempts


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"header": 28},  # FreeSWITCH counts the time
        {"header": 2},  # sngrep writes the upper octet of the length of all
        {"header": 0},
        {"header": 40, "family": 10},
        {"header": 52, "family": 30},
        {"header": 40, "family": 28},
        {"fill": b"\xff\x7f"},  # what lay there before
        {"fill": b""},
        {"transport": 6},
        {"transport": 22},
    ],
)
def test_version_2_is_read(way: dict[str, int]) -> None:
    assert made(former(sip(), at=AT - 7, **way)) == [THE_CALL]  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [2, 10])
def test_version_1_is_read_with_the_time_of_receipt(family: int) -> None:
    octets = former(sip(), version=1, family=family)
    assert made(octets, received_at=AT - 7) == [THE_CALL]


def test_version_2_without_its_time_is_read_with_that_of_receipt() -> None:
    octets = b"\2" + former(sip(), version=1)[1:]
    assert made(octets, received_at=AT - 7) == [THE_CALL]


def test_time_of_another_processor_is_not_believed() -> None:
    octets = former(sip(), at=AT, order=">")
    assert made(octets, received_at=AT - 7) == [THE_CALL]


def test_copies_of_all_versions_are_one_call() -> None:
    copies = (former(sip()), former(sip(), version=1), hep(sip()))
    assert len(made(*copies)) == 1
    again = sip(call_id="another")
    assert len(made(former(sip()), hep(again))) == 2, "a second attempt over the same leg"


def test_addresses_ports_and_agent_are_those_of_version_3() -> None:
    new, old = read_datagram(hep(sip())), read_former(former(sip()))
    assert old.addresses == new.addresses
    assert old.capture_id == b"\xd1\x07"
    assert old.connection.count(b"/") == new.connection.count(b"/")


@pytest.mark.parametrize("cut", [1, 40, 200])
@pytest.mark.parametrize("version", [1, 2])
def test_pieces_of_a_stream_are_put_together(version: int, cut: int) -> None:
    pieces = (sip()[:cut], sip()[cut:])
    datagrams = [former(piece, version=version, transport=6, at=AT - 7) for piece in pieces]
    assert len(made(*datagrams)) == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_agent_is_named_by_its_id_in_either_order(order: str) -> None:
    def outcome(name: str, octets: bytes) -> str:
        reader = HepReader(GB, agents=Agents([Agent.parse(name)]))
        reader.read(octets, AT)
        (outcome,) = (each for each in reader.tally if not each.startswith("note_"))
        return outcome

    assert outcome("2001", former(sip(), order=order)) == "event"
    assert outcome("2002", former(sip(), order=order)) == "hep_agent"
    assert outcome("2001", former(sip(), version=1)) == "hep_agent", "it has no id"


def test_without_a_key_it_is_a_strangers() -> None:
    reader = HepReader(GB, auth_key="s3cr3t")
    for octets in (former(sip()), former(sip(), version=1), former(sip())[:20]):
        assert reader.read(octets, AT) == []
    assert reader.lost() == []
    assert reader.tally["event"] == 0


def test_what_looks_like_it_and_holds_no_sip_is_no_call() -> None:
    reader = HepReader(GB)
    assert reader.read(former(bytes(100)), AT) == []
    assert reader.lost() != [], "it may be one in a way that is not known"
