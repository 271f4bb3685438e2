"""The legs of one call are one event: joined by its names, else by who calls whom and when."""

import gc
import random
from collections.abc import Iterator
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.switch_traffic import AT, CALLED, CALLER, chunk, framed, hlog, sip

from ringfence.adapters.calls import AT_NUMBER_MAX, LEG_S, WINDOW_S, Calls, Sighting
from ringfence.adapters.hep import read_datagram
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

OTHER_CALLER = "+441632960322"
SESSION = "Session-ID: ab30317f1a784dc48ff824d0d3715d86"
NIL = ";remote=" + "0" * 32
CHARGING = "P-Charging-Vector: icid-value="


FAR = 10**6


def packet(payload: bytes, *, at: int, to: int = 5, correlation: bytes = b"") -> bytes:
    """A packet from 192.0.2.4 to 192.0.2.`to`."""
    return framed(
        chunk(1, b"\x02"),
        chunk(3, bytes((192, 0, 2, 4))),
        chunk(4, bytes((192, 0, 2, to))),
        chunk(8, b"\x13\xc4"),
        chunk(9, at.to_bytes(4)),
        chunk(11, b"\x01"),
        chunk(17, correlation),
        chunk(15, payload),
    )


def leg(
    call_id: str,
    *,
    at: int = 0,
    to: int = 5,
    host: str = "sbc.example",
    caller: str = CALLER,
    caller_host: str = "caller.example",
    more: str = "",
    correlation: str = "",
    called: str = CALLED,
    method: str = "INVITE",
    body: str = "",
    cseq: int = 1,
) -> bytes:
    """One leg of a call, with a tag of its own as any request outside a dialogue has."""
    tag = random.Random(call_id).randrange(10**6)
    request = sip(
        method,
        uri=f"sip:{called}@{host}",
        sender=f"<sip:{caller}@{caller_host}>;tag={tag}",
        call_id=call_id,
        more=more and f"{more}\r\n",
        body=body,
        cseq=cseq,
    )
    return packet(request, at=AT + at, to=to, correlation=correlation.encode())


def count(*datagrams: bytes) -> int:
    """The events of what is received when its agents see it, or at AT where they are far off."""
    reader = HepReader(DialPlan.of_country(44))
    found = 0
    for datagram in datagrams:
        at = read_datagram(datagram).captured_at
        found += len(reader.read(datagram, at if abs(at - AT) < FAR else AT))
    return found


def counts(*datagrams: bytes) -> set[int]:
    """The counts of events over every order of arrival."""
    return {count(*order) for order in permutations(datagrams)}


LATER = 100
"""Far enough apart that only names join."""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"more": SESSION + NIL}, {"more": SESSION.upper() + NIL}),
        ({"more": SESSION}, {"more": SESSION + ";remote=47755a9de7794ba387653f2099600ef2"}),
        ({"more": CHARGING + "1234bc9876e"}, {"more": CHARGING + '"1234bc9876e";orig-ioi=h1'}),
        ({"more": CHARGING + "A"}, {"more": "P-Charging-Vector: icid-generated-at=x;icid-value=A"}),
        ({}, {"more": "X-CID: k3x@127.0.0.1"}),
        ({}, {"more": "x-cid:  k3x@127.0.0.1 "}),
        ({}, {"correlation": "k3x@127.0.0.1"}),
        ({"correlation": "k3x@127.0.0.1"}, {"correlation": "k3x@127.0.0.1"}),
        ({"correlation": "channel-17"}, {"correlation": "channel-17"}),
    ],
)
def test_legs_with_a_name_in_common_are_one_call(
    first: dict[str, str], second: dict[str, str]
) -> None:
    one = leg("k3x@127.0.0.1", **first)  # type: ignore[arg-type]
    other = leg("9f2", at=LATER, to=9, host="192.0.2.77", **second)  # type: ignore[arg-type]
    assert counts(one, one, other) == {1}
    unnamed = leg("9f2", at=LATER, to=9, host="192.0.2.77")
    assert counts(one, unnamed) == {2}, "it was the name that joined them"


@pytest.mark.parametrize(
    "call_id",
    [
        "k3x@127.0.0.1_b2b-1",
        "k3x@127.0.0.1_b2b-2",
        "k3x_b2b-1@127.0.0.1",
        "k3x@127.0.0.1_b2b-1_pbx-1",
        "k3x@127.0.0.1_xfer-1",
    ],
)
def test_suffix_of_a_call_id_names_the_other_leg(call_id: str) -> None:
    assert counts(leg("k3x@127.0.0.1"), leg(call_id, at=LATER), leg(call_id, at=LATER)) == {1}
    assert counts(leg("k3y@127.0.0.1"), leg(call_id, at=LATER)) == {2}


@pytest.mark.parametrize("suffix", ["_b2b_", "_b2b", "-xfer1", "_pbx-1", "@_b2b"])
def test_call_id_of_many_suffixes_takes_linear_time(suffix: str) -> None:
    # A caller chooses it. Quadratic reading would take minutes, and end in the test's time limit.
    many = suffix * (60_000 // len(suffix))
    for call_id in (many + "x", f"a@{many}x", many, f"x{many}@127.0.0.1"):
        assert counts(leg(call_id), leg(call_id)) == {1}
    assert counts(leg("k3x"), leg("k3x" + many.replace("@", ""), at=LATER)) == {1}


@pytest.mark.parametrize(
    "more",
    [
        "Session-ID: " + "0" * 32 + NIL,
        "Session-ID: 1",
        "P-Charging-Vector: icid-value=",
        "P-Charging-Vector: orig-ioi=home1.example",
        "X-CID:",
    ],
)
def test_header_that_names_nothing_joins_nothing(more: str) -> None:
    assert counts(leg("a", more=more), leg("b", at=LATER, more=more)) == {2}


def test_headers_that_occur_twice_lose_no_call() -> None:
    more = f"{SESSION}\r\n{SESSION}\r\nX-CID: a\r\nX-CID: b\r\n{CHARGING}1\r\n{CHARGING}2"
    assert count(leg("c", more=more)) == 1
    for name in ("X-CID: b", SESSION, f"{CHARGING}2"):
        assert counts(leg("c", more=more), leg("d", at=LATER, more=name)) == {1}


def test_correlation_that_an_agent_says_of_every_call_joins_no_two_callers() -> None:
    constant = [
        leg(f"c{n}", at=LATER * n, caller=caller, correlation="agent")
        for n, caller in enumerate((CALLER, OTHER_CALLER))
    ]
    assert counts(*constant) == {2}


def test_names_of_a_call_to_another_number_make_an_event_there() -> None:
    diverted = leg("b", more=SESSION, called="+447700900456")
    assert counts(leg("a", more=SESSION), diverted) == {2}


def test_next_branch_of_a_call_is_the_same_call() -> None:
    branches = [leg("a", at=n * 120, host=f"gw{n}.example") for n in range(4)]
    assert count(*branches) == 1
    assert count(leg("a"), leg("a", at=185, host="gw2.example")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"to": 9},
        {"host": "192.0.2.77:5060;transport=udp"},
        {"to": 9, "caller": "01632960321"},
    ],
)
def test_other_leg_without_a_name_is_the_same_call_within_seconds(other: dict[str, str]) -> None:
    for apart in (0, 1, LEG_S):
        assert counts(leg("a"), leg("b", at=apart, **other)) == {1}  # type: ignore[arg-type]
    assert counts(leg("a"), leg("b", at=LEG_S + 1, **other)) == {2}  # type: ignore[arg-type]


def test_same_caller_over_the_same_leg_has_tried_again() -> None:
    for apart in (0, 2, LEG_S, 30):
        assert counts(leg("a"), leg("b", at=apart)) == {2}
    assert count(leg("a"), leg("a2", to=9), leg("b", at=2), leg("b2", at=2, to=9)) == 2
    assert count(leg("a"), leg("a", to=9), leg("b", at=2, to=9), leg("b", at=2)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"caller": OTHER_CALLER},
        {"caller": "BANKNAME"},
        {"caller": "anonymous"},
        {"called": "+447700900456"},
    ],
)
def test_other_caller_or_number_on_another_leg_is_another_call(other: dict[str, str]) -> None:
    assert counts(leg("a"), leg("b", to=9, **other)) == {2}  # type: ignore[arg-type]


def test_withheld_caller_over_another_leg_is_the_same_call_within_seconds() -> None:
    withheld = [leg("a", caller="anonymous"), leg("b", at=1, to=9, caller="unknown")]
    assert counts(*withheld) == {1}


def test_sighting_that_carries_no_caller_is_of_whoever_calls() -> None:
    def sighting(name: bytes, caller: int | None, leg: int) -> Sighting:
        return Sighting(447700900123, caller, AT, (name,), leg=leg)

    calls = Calls()
    assert calls.is_first(sighting(b"a", None, 1))
    assert not calls.is_first(sighting(b"b", 441632960321, 2))
    assert calls.is_first(sighting(b"c", 441632960322, 3)), "by now it is known who called"
    assert not calls.is_first(sighting(b"d", None, 4))


def test_call_and_message_are_never_one() -> None:
    text = leg("b", to=9, method="MESSAGE", body="hi", more=SESSION)
    assert counts(leg("a", more=SESSION), text) == {2}


def test_message_over_another_leg_is_one_when_its_text_is() -> None:
    def message(call_id: str, text: str, to: int, cseq: int = 1, more: str = "") -> bytes:
        return leg(call_id, method="MESSAGE", body=text, to=to, cseq=cseq, more=more)

    assert counts(message("a", "hi", 5), message("b", "hi", 9, cseq=7)) == {1}
    assert counts(message("a", "hi", 5), message("b", "ho", 9)) == {2}
    assert counts(message("a", "hi", 5), message("b", "hi", 5)) == {2}
    assert counts(message("a", "hi", 5, more=SESSION), message("b", "ho", 9, more=SESSION)) == {2}
    series = [message(c, f"part {n}", to, cseq=n) for n in (1, 2) for c, to in (("a", 5), ("b", 9))]
    assert count(*series) == 2


def test_log_line_of_one_leg_and_sip_of_the_other_are_one_call() -> None:
    line = hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}', call_id="a")
    assert counts(line, leg("b")) == {1}
    again = hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}', call_id="c")
    assert counts(line, again) == {2}


def test_copies_of_an_agent_whose_clock_is_wrong_are_told_by_their_transaction() -> None:
    request = sip(call_id="a"), sip(call_id="b")
    copies = [packet(each, at=AT + FAR * (n + 1)) for n, each in enumerate(request)]
    assert counts(*copies) == {1}
    other = sip(call_id="b").replace(b"z9hG4bK-1", b"z9hG4bK-2")
    assert counts(copies[0], packet(other, at=AT + FAR)) == {2}
    assert counts(copies[0], packet(sip(call_id="b").replace(b"tag=t1", b""), at=AT + FAR)) == {2}


def test_memory_is_bounded_by_attempts_however_many_names_and_legs_they_have() -> None:
    calls = Calls(calls_max=10)

    def flood(n: int) -> Sighting:
        names = tuple(b"%d-%d" % (n, name) for name in range(100))
        return Sighting(447700900000 + n % 3, 0, AT + n * LATER, names, leg=n)

    for n in range(1_000):
        assert calls.is_first(flood(n))
        assert not calls.is_first(flood(n))
    gc.collect()
    kept = [each for each in gc.get_objects() if type(each).__name__ == "_Call"]
    assert len(kept) <= 2 * 10
    assert sum(len(call.keys) for call in kept) <= 2 * 10 * 16


def test_number_that_everybody_calls_takes_no_longer_for_each() -> None:
    # To look at all of 50,000 for each would end in the test's time limit.
    calls = Calls()
    for n in range(50_000):
        assert calls.is_first(Sighting(447700900123, n + 1, AT, (b"%d" % n,), leg=1))
    assert not calls.is_first(Sighting(447700900123, 50_000, AT, (b"x",), leg=2))
    assert calls.is_first(Sighting(447700900123, 50_000 - AT_NUMBER_MAX, AT, (b"y",), leg=2))


def reports(chance: random.Random) -> Iterator[tuple[int, bytes]]:
    """Calls through a back-to-back agent: which call, and each copy of each of its legs."""
    for call in range(6):
        named = chance.choice((f"X-CID: {call}-a", "", f"{CHARGING}{call}", ""))
        for name, to, at in (("a", 5, 0), ("b", 9, chance.randrange(3))):
            more = named if name == "b" or not named.startswith("X-CID") else ""
            for _ in range(chance.randint(1, 3)):
                yield call, leg(f"{call}-{name}", at=call * LATER + at, to=to, more=more)


@given(st.randoms())
def test_any_order_of_the_copies_of_any_legs_is_one_event_a_call(chance: random.Random) -> None:
    sent = [report for _, report in reports(chance)]
    chance.shuffle(sent)
    assert count(*sent) == 6
    assert WINDOW_S > LATER, "names must reach further than seconds"
