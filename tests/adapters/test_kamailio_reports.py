"""Netstrings, reports and states of the Kamailio adapter, whole and damaged."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import at
from support.switch_traffic import ListSink

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.kamailio.evapi import Cut, Netstrings
from ringfence.adapters.kamailio.heard import Heard, Mark
from ringfence.adapters.kamailio.reader import ReportReader
from ringfence.adapters.kamailio.report import Answer, Report, read_message
from ringfence.adapters.kamailio.rpc import carrier_of
from ringfence.adapters.kamailio.source import DOUBT_S, Reports
from ringfence.adapters.kamailio.state import State, read_state
from ringfence.adapters.state_keeper import StateError, StateKeeper
from ringfence.wording.dialled import DialPlan

AT = 1_790_000_000
REPORT = {
    "ev": "INVITE",
    "called": "+447700900001",
    "caller": "+441632960001",
    "callid": "c1",
    "cseq": "1",
    "ts": f"{AT}.250000",
    "boot": AT - 100,
    "seq": 7,
}


def netstring(octets: bytes) -> bytes:
    return b"%d:%s," % (len(octets), octets)


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(1, 50), max_size=40))
def test_netstrings_are_the_same_however_they_are_cut(texts: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(map(netstring, texts))
    netstrings, found, at = Netstrings(), [], 0
    for size in [*cuts, len(octets)]:
        found += netstrings.feed(octets[at : at + size])
        at += size
    found += netstrings.feed(octets[at:])
    assert found == texts


@pytest.mark.parametrize(
    "octets", [b"x", b"3x", b"3:abcd", b"99999:", b"123456:", b"-1:,", b":,", b"3:abc,1234567"]
)
def test_what_is_no_netstring_is_found_out(octets: bytes) -> None:
    with pytest.raises(Cut):
        list(Netstrings().feed(octets))


@given(st.binary(max_size=300))
def test_octets_from_anywhere_are_read_or_refused(octets: bytes) -> None:
    try:
        assert isinstance(read_message(octets), Report | Answer)
    except Unreadable as unreadable:
        assert unreadable.reason.startswith("log_")


@pytest.mark.parametrize("ev", ["invite", "Invite", "INVITE "])
def test_method_is_as_the_caller_wrote_it(ev: str) -> None:
    assert read(ev=ev).kind == EventKind.CALL


def read(**changed: Any) -> Any:
    message = read_message(json.dumps({**REPORT, **changed}).encode())
    assert isinstance(message, Report)
    assert (message.boot, message.number) == (AT - 100, 7)
    return ReportReader(DialPlan.of_country(44)).read(message.values)


def test_a_report_is_an_attempt() -> None:
    attempt = read()
    assert (attempt.called, attempt.caller) == (447700900001, 441632960001)
    assert (attempt.occurred_at, attempt.kind) == (AT, EventKind.CALL)
    assert read(ev="MESSAGE", caller="BANK").kind == EventKind.A2P_SMS
    assert read(caller="anonymous").caller == 0


@pytest.mark.parametrize("changed", [{"ev": "BYE"}, {"called": "reception"}], ids=str)
def test_a_report_of_something_else_is_no_attempt_and_not_missing(changed: dict[str, Any]) -> None:
    assert read(**changed) is None


@pytest.mark.parametrize(
    "changed", [{"ts": "today"}, {"callid": ""}, {"called": ["+447700900001"]}], ids=str
)
def test_a_report_that_may_hide_a_call_counts_as_missing(changed: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(**changed)


@pytest.mark.parametrize(("cseqs", "events"), [((1, 1), 1), ((1, 2), 2)])
def test_messages_of_one_call_id_are_told_apart_by_cseq(
    cseqs: tuple[int, int], events: int
) -> None:
    reader = ReportReader(DialPlan.of_country(44))
    attempts = [reader.read({**REPORT, "ev": "MESSAGE", "cseq": str(cseq)}) for cseq in cseqs]
    assert sum(attempt is not None for attempt in attempts) == events


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"feed": 1}', '{"feed": "sip-1", "boot": "x"}'])
def test_a_file_that_is_no_state_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with pytest.raises(StateError, match="delete it"):
        read_state(path, "sip-1")


@pytest.mark.parametrize("heard", ["NaN", "Infinity", "-1.0", f"{AT + 10}.5", "1e300"])
def test_a_state_of_a_time_to_come_is_refused(heard: str, tmp_path: Path) -> None:
    # As if all until then had been heard, it would be claimed.
    path = tmp_path / "state"
    path.write_text(State("sip-1", 5, 7, AT + 0.5, AT).text().replace(f"{AT}.5", heard))
    with pytest.raises(StateError, match=r"still to come: is the clock .* delete the file"):
        read_state(path, "sip-1", clock=lambda: AT + 1.0)


def test_a_state_of_another_feed_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text(State("\x1b]0;x\x07" + "y" * 900, 5, 7, AT + 0.5, AT).text())
    with pytest.raises(StateError) as refused:
        read_state(path, "sip-1", clock=lambda: AT + 1.0)
    said = str(refused.value).removeprefix(str(path))
    assert said.isprintable()
    assert len(said) < 200


def test_a_state_is_of_one_feed_and_written_once_its_events_are_answered(tmp_path: Path) -> None:
    path = tmp_path / "state"
    answered = [0]
    state = State("sip-1", 5, 7, AT + 0.5, AT)
    keeper = StateKeeper(path, lambda: (3, answered[0]), lambda: state, print)
    keeper.look()
    assert read_state(path, "sip-1") is None
    answered[0] = 3
    keeper.look()
    left = read_state(path, "sip-1", clock=lambda: AT + 1.0)
    assert left == state
    assert left.mark == Mark(5, 7, AT + 0.5)
    with pytest.raises(StateError, match="of feed sip-1"):
        read_state(path, "sip-2")


@pytest.mark.parametrize(
    "url", ["", "http://", "https://127.0.0.1/RPC", "unix:relative", "ftp://x"]
)
def test_an_address_of_no_switch_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not unix:/PATH or http"):
        carrier_of(url)


def test_a_disk_that_takes_no_state_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    path, said = tmp_path / "gone" / "state", list[str]()
    state = State("sip-1", 5, 7, AT + 0.5, AT)
    keeper = StateKeeper(path, lambda: (0, 0), lambda: state, said.append)
    keeper.look()
    keeper.look()
    assert said == [f"{path} is not written any more: No such file or directory"]
    path.parent.mkdir()
    keeper.look()
    assert read_state(path, "sip-1", clock=lambda: AT + 1.0) == state


def test_a_place_where_no_state_can_be_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "state"
    where = ("--evapi", "127.0.0.1:1", "--feed", "sip-1", "--country", "44", "--state", str(path))
    refused = at("127.0.0.1:1")("adapter", "kamailio", *where, code=4)
    assert "No such file or directory" in refused.stderr
    assert "gone" in refused.stderr


@pytest.mark.parametrize("ways", [(), ("--evapi", "127.0.0.1:1", "--rpc", "http://127.0.0.1:1/R")])
def test_a_switch_is_reached_in_one_way(ways: tuple[str, ...]) -> None:
    refused = at("127.0.0.1:1")(
        *("adapter", "kamailio", *ways, "--feed", "sip-1", "--country", "44"), code=2
    )
    assert "--evapi or --rpc, one of both" in refused.stderr


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (AT + 30, AT + 30),
        (AT + 360, AT + 360),
        (AT + 361, AT + 60),  # the switch's clock is ahead
        (AT - 5 - DOUBT_S, AT - 5 - DOUBT_S),
        (AT - 6 - DOUBT_S, AT + 60),  # all that happened then is here
        (1, AT + 60),
    ],
)
def test_a_time_that_cannot_be_is_that_of_receipt(said: int, taken: int) -> None:
    sink, reader = ListSink(), ReportReader(DialPlan.of_country(44))
    mark = Mark(AT - 100, 6, float(AT))
    heard = Heard(sink.lose, began_at=AT, margin_s=5, patience_s=5, mark=mark)
    reports = Reports(reader, sink, heard, lambda: AT + 60.0)
    asyncio.run(reports.hand_on(Report(AT - 100, 7, {**REPORT, "ts": str(said)})))
    assert [event.occurred_at for event in sink.sent] == [taken]
    assert reader.tally["note_time_unlikely"] == (said != taken)
