"""Lines that come live: each is an event, a claim, or lost time, and none stops the rest."""

import asyncio
import json
import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.run_seed import run_seed
from support.switch_traffic import AT, CALLER, ListSink, Sent

from ringfence import EventKind, caller_of_text
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.hearing import Hearing
from ringfence.adapters.ndjson.line import BadLine, Heard
from ringfence.adapters.ndjson.schema import LINE_MAX
from ringfence.adapters.ndjson.splitter import Splitter
from ringfence.event_batch import SentEvent
from ringfence.wording.dialled import DialPlan

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "200"))
NUMBER = 447700900123


class Bench:
    """A desk with a list behind it, at a time that stands still."""

    def __init__(self) -> None:
        self.sink = ListSink()
        self.hearing = Hearing(self.sink.lose, AT - 60)
        plan = DialPlan.of_country(44)
        self.desk = Desk(self.sink, self.hearing, plan, clock=lambda: float(AT))

    def hand_in(self, *octets: bytes | None) -> list[str]:
        """The outcome of each line; of a bad one its words."""

        async def all_of_them() -> list[str]:
            outcomes = []
            for each in octets:
                try:
                    outcomes.append(await self.desk.take_line(each))
                except BadLine as bad:
                    outcomes.append(bad.words)
            return outcomes

        return asyncio.run(all_of_them())


def line(**values: Any) -> bytes:
    event = {"called": "07700 900123", "caller": CALLER, "occurred_at": AT - 5, "kind": "CALL"}
    return json.dumps({**event, **values}).encode()


def test_a_line_is_an_event_and_numbers_are_read_as_the_country_writes_them() -> None:
    bench = Bench()
    assert (
        bench.hand_in(
            line(),
            line(caller=None, kind="VIDEO"),
            line(caller="anonymous", kind="SMS"),
            line(called="sip:+447700900123@switch.example", caller="tel:+441632960321"),
            line(caller="MyBank", kind="A2P_SMS", occurred_at="2026-09-21T14:13:15+00:00"),
        )
        == ["event"] * 5
    )
    known = int(CALLER.removeprefix("+"))
    assert [sent.caller for sent in bench.sink.sent[:4]] == [known, 0, 0, known]
    assert bench.sink.sent[0] == Sent(NUMBER, known, AT - 5, EventKind.CALL)
    assert bench.sink.sent[4] == Sent(
        NUMBER, caller_of_text("MyBank"), 1_789_999_995, EventKind.A2P_SMS
    )
    assert bench.sink.lost == []


def test_a_name_that_is_not_utf_8_is_a_caller_like_any_other() -> None:
    bench = Bench()
    latin = line(caller="Cafe").replace(b"Cafe", "Café".encode("latin-1"))
    assert bench.hand_in(latin, latin, line(caller="\ud800")) == ["event"] * 3
    first, second, third = (sent.caller for sent in bench.sink.sent)
    assert first == second != third


def test_the_same_id_at_the_same_number_is_one_attempt() -> None:
    bench = Bench()
    assert bench.hand_in(
        *(line(id="a"), line(id="a"), line(id="b"), line()),
        *(line(id="a", called="+447700900124"), line(id="a", kind="SMS")),
        line(id="a", occurred_at=AT - 3_600),
    ) == ["event", "repeat", "event", "event", "event", "event", "event"]


def test_an_id_is_remembered_for_what_the_server_takes_only() -> None:
    bench = Bench()
    others = [line(id="b", called="+447700900124"), line(id="c", called="+447700900125")]
    messages = [line(id="a", kind="SMS"), line(id="b", kind="SMS")]
    assert bench.hand_in(line(id="a"), *messages, *others) == ["event"] * 5
    bench.desk.lost([SentEvent(NUMBER, 0, AT - 5, 1), SentEvent(447700900124, 0, AT - 5, 1)])
    assert bench.hand_in(line(id="a"), *messages, *others) == ["event"] * 4 + ["repeat"]
    assert bench.hand_in(line(id="a"), *messages, *others) == ["repeat"] * 5


def test_what_is_no_number_is_counted_and_loses_nothing() -> None:
    bench = Bench()
    assert bench.hand_in(line(called="1001"), line(called="s")) == ["called_not_a_number"] * 2
    assert (bench.sink.sent, bench.sink.lost) == ([], [])


def test_members_that_nobody_reads_are_counted() -> None:
    bench = Bench()
    assert bench.hand_in(line(callled="x"), line(), line(trunk=7)) == ["event"] * 3
    assert bench.desk.tally["note_members_unknown"] == 2


BAD = {
    b"{": "json_unreadable",
    b"nul": "json_unreadable",
    b'{"called": NaN}': "json_unreadable",
    b"[" * 60_000: "json_unreadable",
    b"9" * 60_000: "json_unreadable",
    b"[]": "json_not_an_object",
    b"7": "json_not_an_object",
    b"{}": "occurred_at_missing",
    b'{"called":"a","called":"b"}': "json_member_twice",
    line(called=NUMBER): "called_unreadable",
    line(called=""): "called_length",
    line(caller=441632960321): "caller_unreadable",
    line(kind="call"): "kind_unreadable",
    line(kind="+441632960321"): "kind_unreadable",
    line(occurred_at="yesterday"): "occurred_at_unreadable",
    line(occurred_at=AT * 1_000): "occurred_at_unreadable",
    line(occurred_at=AT + 301): "occurred_at_ahead",
    line(id=7): "id_unreadable",
    line(heard_to=AT): "heard_with_called",
    b'{"heard_to":1}': "heard_from_missing",
    b'{"heard_from":1,"heard_to":%d}' % (AT + 301): "heard_to_ahead",
}


@pytest.mark.parametrize(("octets", "reason"), BAD.items(), ids=lambda each: str(each)[:20])
def test_a_line_that_cannot_be_read_is_counted_and_its_time_is_lost(
    octets: bytes, reason: str
) -> None:
    bench = Bench()
    words, then = bench.hand_in(octets, line())
    assert bench.desk.tally == {reason: 1, "event": 1}
    assert "value=" in words and "bound=" in words and then == "event"
    assert "441632960321" not in words and str(NUMBER) not in words
    says_when = reason.partition("_")[0] in ("called", "caller", "kind", "id")
    assert bench.sink.lost == [(AT - 5, AT - 4) if says_when else (AT - 60, AT + 1)]


def test_time_is_claimed_as_far_as_somebody_says() -> None:
    bench = Bench()

    def heard(since: int, until: int) -> list[str]:
        return bench.hand_in(json.dumps({"heard_from": since, "heard_to": until}).encode())

    assert bench.hearing.until == AT - 60
    bench.hand_in(line())
    assert bench.hearing.until == AT - 60
    assert heard(AT - 90, AT - 50) == ["heard"]
    assert (bench.hearing.until, bench.sink.lost) == (AT - 50, [])
    heard(AT - 90, AT - 55)
    assert bench.hearing.until == AT - 50
    heard(AT - 30, AT - 20)
    assert (bench.hearing.until, bench.sink.lost) == (AT - 20, [(AT - 50, AT - 30)])
    heard(AT - 20, AT + 200)
    assert bench.hearing.until == AT


def test_an_interval_that_begins_behind_its_end_claims_nothing() -> None:
    lost: list[tuple[int, int]] = []
    hearing = Hearing(lambda began, ended: lost.append((began, ended)), 100.0)
    hearing.heard(Heard(300, 200), 400.0)
    assert lost == [(100, 200)]
    assert hearing.until == 200


@pytest.mark.parametrize("seed", [run_seed()])
def test_lines_are_the_same_however_they_are_cut(seed: int) -> None:
    draw = random.Random(seed)
    wanted: list[bytes | None] = []
    whole = b"\xef\xbb\xbf"
    for _ in range(60):
        size = draw.choice((0, 1, 40, 900, LINE_MAX - 5, LINE_MAX + 5))
        each = bytes(draw.choices(b'abc {}"\\\xff\r', k=size))
        whole += each + b"\n"
        if size >= LINE_MAX:
            wanted.append(None)
        elif each.strip():
            wanted.append(each)
    whole += b"the last"
    wanted.append(b"the last")
    splitter = Splitter()
    found: list[bytes | None] = []
    while whole:
        size = draw.choice((1, 7, 500, 70_000, 300_000))
        found += splitter.feed(whole[:size])
        whole = whole[size:]
    found += splitter.finish()
    assert found == wanted


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_octets_have_an_outcome(octets: bytes) -> None:
    bench = Bench()
    (outcome,) = bench.hand_in(octets)
    assert outcome
    assert sum(bench.desk.tally.values()) >= 1
    assert bool(bench.sink.lost) == ("bound=" in outcome)
