"""One call is one event, however often, by whomever and in whatever order it is reported."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.switch_traffic import AT, CALLED, CALLER, hep, hlog, sip

from ringfence import EventKind
from ringfence.adapters.calls import WINDOW_S, Calls, Message, Sighting
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

OTHER = "+447700900456"


def events(*datagrams: bytes) -> list[tuple[int, int, EventKind]]:
    reader = HepReader(DialPlan.of_country(44))
    attempts = (reader.read(datagram, AT) for datagram in datagrams)
    return [(a.called, a.caller, a.kind) for made in attempts for a in made]


THE_CALL = (447700900123, 441632960321, EventKind.CALL)
THE_MESSAGE = (447700900123, 441632960321, EventKind.SMS)


def credentials(nonce: str, response: str = "r") -> str:
    return (
        f'Proxy-Authorization: Digest username="u", nonce="{nonce}", cnonce="{response}",'
        f' uri="sip:x", response="{response}"\r\n'
    )


def message(text: str = "hello", **fields: object) -> bytes:
    return hep(sip("MESSAGE", body=text, **fields))  # type: ignore[arg-type]


def test_retransmissions_are_one_event() -> None:
    assert events(*[hep(sip())] * 7) == [THE_CALL]


def test_answers_and_what_follows_make_no_event() -> None:
    reply = sip().replace(b"INVITE sip:+447700900123@switch.example;user=phone SIP/2.0", b"%s")
    replies = [
        hep(reply.replace(b"%s", line))
        for line in (b"SIP/2.0 100 Trying", b"SIP/2.0 180 Ringing", b"SIP/2.0 404 Not Found")
    ]
    later = [hep(sip(m)) for m in ("ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "PRACK", "INFO")]
    assert events(*replies, *later) == []
    assert events(*replies, *later, hep(sip()), *replies, *later) == [THE_CALL]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_authentication_round_is_one_event(order: tuple[int, int]) -> None:
    rounds = (hep(sip()), hep(sip(cseq=2, more=credentials("n"))))
    assert events(*(rounds[i] for i in order)) == [THE_CALL]


def test_hops_that_rewrite_the_request_uri_are_one_event() -> None:
    uris = ("sip:07700900123@edge", "sip:+447700900123@core", "tel:+44-7700-900123")
    senders = (
        "<sip:01632960321@a>;tag=t1",
        "<sip:+441632960321@b>;tag=t1",
        "sip:+441632960321@c;tag=t1",
    )
    copies = [hep(sip(uri=uri, sender=sender)) for uri, sender in zip(uris, senders, strict=True)]
    for seed in range(6):
        random.Random(seed).shuffle(copies)
        assert events(*copies) == [THE_CALL], seed


def test_hop_without_a_readable_number_leaves_the_call_to_the_next() -> None:
    assert events(hep(sip(uri="sip:service@edge")), hep(sip())) == [THE_CALL]


def test_diverted_call_is_an_event_at_each_number_it_reaches() -> None:
    diverted = sip(uri=f"sip:{OTHER}@core")
    assert [called for called, _, _ in events(hep(sip()), hep(diverted), hep(sip()))] == [
        447700900123,
        447700900456,
    ]


def test_request_inside_a_dialog_is_no_new_call() -> None:
    assert events(hep(sip(to=f"<sip:{CALLED}@x>;tag=answered", cseq=9))) == []


def test_hop_that_changes_the_from_tag_is_one_event() -> None:
    first = f"<sip:{CALLER}@x>;tag=t1"
    for sender in (f"<sip:{CALLER}@x>;tag=t2", f"<sip:{CALLER}@x>"):
        for more in ("", credentials("n")):
            copy = sip(sender=sender, cseq=2 if more else 1, more=more)
            assert events(hep(sip(sender=first)), hep(copy)) == [THE_CALL]
            assert events(hep(copy), hep(sip(sender=first))) == [THE_CALL]


def test_hop_that_changes_the_from_tag_of_a_message_is_one_event() -> None:
    copies = (
        message(),
        message(sender=f"<sip:{CALLER}@x>;tag=t2"),
        message(sender=f"<sip:{CALLER}@x>;tag=t3", cseq=2, more=credentials("n")),
    )
    assert events(*copies) == events(*reversed(copies)) == [THE_MESSAGE]


def test_call_ids_are_compared_octet_by_octet() -> None:
    assert len(events(hep(sip(call_id="a@x")), hep(sip(call_id="A@x")))) == 2


def test_log_line_and_sip_of_one_call_are_one_event() -> None:
    line = hlog(f'{{"ev":"INVITE","called":"{CALLED}","caller":"{CALLER}"}}')
    assert events(line) == [THE_CALL]
    assert events(line, line, hep(sip()), hep(sip()), line) == [THE_CALL]
    assert events(hep(sip()), line, line, hep(sip())) == [THE_CALL]


def test_log_line_vouches_for_one_request_only() -> None:
    line = hlog(f'{{"ev":"MESSAGE","called":"{CALLED}","caller":"{CALLER}"}}')
    assert len(events(line, message(), message(cseq=2))) == 2


def test_window_ends_after_its_last_sighting() -> None:
    def seen(*times: int) -> int:
        reader = HepReader(DialPlan.of_country(44))
        return sum(len(reader.read(hep(sip(), at=AT + t), AT + t)) for t in times)

    assert WINDOW_S > 180, "an INVITE lives until timer C"
    assert seen(0, WINDOW_S) == 1
    assert seen(0, WINDOW_S + 1) == 2
    assert seen(0, WINDOW_S, 2 * WINDOW_S) == 1
    assert seen(WINDOW_S, 0) == 1


def test_agents_whose_clocks_differ_report_one_call() -> None:
    for apart_s in (100, 100_000, AT - 1):
        assert events(hep(sip(), at=AT), hep(sip(), at=AT - apart_s)) == [THE_CALL]
        assert events(hep(sip(), at=min(AT + apart_s, 2**32 - 1)), hep(sip(), at=AT)) == [THE_CALL]


def test_reports_that_were_held_up_are_told_apart_by_the_clock_of_their_agent() -> None:
    tries = [hep(sip(call_id=f"{n}", uri=f"sip:{CALLED}@gw{n}"), at=AT + 60 * n) for n in (0, 1)]
    assert events(*tries) == [THE_CALL] * 2
    of_others = [each.replace((2001).to_bytes(4), n.to_bytes(4)) for n, each in enumerate(tries)]
    assert events(*of_others) == [THE_CALL]


def test_series_of_messages_with_one_call_id_are_events_each() -> None:
    assert events(*(message(f"part {n}", cseq=n) for n in (1, 2, 3))) == [THE_MESSAGE] * 3
    assert events(*(message("ok", cseq=n) for n in (1, 2, 3))) == [THE_MESSAGE] * 3


def test_message_sent_again_is_one_event() -> None:
    assert events(message(), message(), message()) == [THE_MESSAGE]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_message_repeated_with_credentials_is_one_event(order: tuple[int, ...]) -> None:
    copies = (
        message(cseq=1),
        message(cseq=2, more=credentials("a")),
        message(cseq=2, more=credentials("a", "again")),
    )
    assert events(*(copies[i] for i in order)) == [THE_MESSAGE]


def test_message_whose_credentials_a_hop_takes_away_is_one_event() -> None:
    copies = (message(cseq=2, more=credentials("a")), message(cseq=2))
    assert events(*copies) == events(*reversed(copies)) == [THE_MESSAGE]


def test_message_through_two_authenticating_hops_is_one_event() -> None:
    both = credentials("a") + credentials("b").replace("Proxy-Authorization", "Authorization")
    rounds = (message(cseq=1), message(cseq=2, more=credentials("a")), message(cseq=3, more=both))
    assert events(*rounds) == events(*reversed(rounds)) == [THE_MESSAGE]


def test_credentials_used_again_do_not_hide_a_new_message() -> None:
    series = [message("ok", cseq=n, more=credentials("a", f"r{n}")) for n in (2, 3, 4)]
    assert events(message("ok", cseq=1), *series) == [THE_MESSAGE] * 3


def test_repeat_with_credentials_has_the_same_text() -> None:
    assert len(events(message("one"), message("two", cseq=2, more=credentials("a")))) == 2


def test_call_and_message_with_one_call_id_are_two_events() -> None:
    assert events(hep(sip()), message()) == [THE_CALL, THE_MESSAGE]


def call(name: bytes, at: int = AT) -> Sighting:
    return Sighting(447700900123, 441632960321, at, (name,))


def test_memory_is_bounded_and_early_forgetting_is_counted() -> None:
    calls = Calls(calls_max=3)
    assert [calls.is_first(call(b"%d" % n)) for n in range(5)] == [True] * 5
    assert calls.forgotten_early == 2
    assert not calls.is_first(call(b"4"))
    assert calls.is_first(call(b"0"))


def test_forgetting_after_the_window_is_no_loss() -> None:
    calls = Calls(calls_max=1)
    calls.is_first(call(b"1"))
    calls.is_first(call(b"2", AT + WINDOW_S + 1))
    assert calls.forgotten_early == 0


def test_call_id_with_endless_messages_keeps_few_of_them() -> None:
    calls = Calls()

    def is_first(n: int) -> bool:
        sighting = call(b"c")
        sighting.is_message, sighting.message = True, Message(n)
        return calls.is_first(sighting)

    assert all(is_first(n) for n in range(1_000))
    assert not is_first(999)
    assert is_first(0), "it was forgotten"


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, WINDOW_S)), min_size=1, max_size=40),
    st.randoms(),
)
def test_any_order_and_any_copies_give_one_event_a_call(
    sightings: list[tuple[int, int]], chance: random.Random
) -> None:
    datagrams = [
        hep(
            sip(
                uri=chance.choice(("sip:07700900123@a", "sip:+447700900123@a", "sip:7700900123@a")),
                call_id=f"c{call}",
                cseq=chance.choice((1, 2)),
            ),
            at=AT + second,
        )
        for call, second in sightings
    ]
    assert events(*datagrams) == [THE_CALL] * len({call for call, _ in sightings})
