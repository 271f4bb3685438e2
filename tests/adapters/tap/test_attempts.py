"""Sightings of one attempt, in any order and over any protocol, are one event."""

from hypothesis import given
from hypothesis import strategies as st

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.callers import NOBODY, Caller
from ringfence.adapters.tap.attempts import HOLD_S, Attempts
from ringfence.adapters.tap.seen import Seen, Told

NUMBER, CALLER = 447700900123, Caller(441632960321)


def call(caller: Caller | None = CALLER, leg: str = "a", kind: EventKind = EventKind.CALL) -> Seen:
    return Seen(Told.CALL, NUMBER, caller, leg=(leg,), kind=kind)


ROUTING = Seen(Told.CALL, NUMBER, None, leg=("hlr",), kind=EventKind.CALL)
ASKED = Seen(Told.ASKED, NUMBER, None, leg=("hss",), kind=EventKind.CALL)
MESSAGE = Seen(Told.MESSAGE, NUMBER, CALLER, leg=("sip",))
OPTIONS = Seen(Told.OTHER, NUMBER, None, leg=("sip",))


def events(*sightings: tuple[Seen, float]) -> list[Attempt]:
    attempts = Attempts()
    made: list[Attempt] = []
    for seen, at in sightings:
        for found in (*attempts.due(at), *attempts.see(seen, at)):
            if isinstance(found, Attempt):
                made.append(found)
    made += attempts.due(float("inf"))
    return made


def test_a_question_without_a_caller_waits_for_one_that_has_it() -> None:
    assert events((ROUTING, 100.2), (call(), 103)) == [
        Attempt(NUMBER, CALLER.value, 100, EventKind.CALL)
    ]
    assert events((call(), 100), (ROUTING, 103.5)) == [
        Attempt(NUMBER, CALLER.value, 100, EventKind.CALL)
    ]
    assert events((ROUTING, 100)) == [Attempt(NUMBER, 0, 100, EventKind.CALL)]


def test_a_withheld_caller_is_one() -> None:
    assert events((ROUTING, 100), (call(NOBODY), 101)) == [Attempt(NUMBER, 0, 100, EventKind.CALL)]


def test_what_nobody_answers_is_sent_after_the_wait_and_not_before() -> None:
    attempts = Attempts()
    assert list(attempts.see(ROUTING, 100)) == []
    assert list(attempts.due(100 + HOLD_S - 0.1)) == []
    assert list(attempts.due(100 + HOLD_S)) == [Attempt(NUMBER, 0, 100, EventKind.CALL)]


def test_two_callers_at_one_time_are_two_attempts() -> None:
    other = Caller(442079460123)
    made = events(
        (call(), 100), (ROUTING, 100.1), (call(other), 100.2), (ROUTING, 100.3)
    )  # the second question is a copy of one of them
    assert sorted(event.caller for event in made) == sorted((CALLER.value, other.value))


def test_the_same_caller_over_the_same_leg_tries_again() -> None:
    assert len(events((call(), 100), (call(), 103))) == 2
    assert len(events((call(), 100), (call(leg="b"), 103))) == 1
    assert len(events((call(), 100), (call(leg="b"), 109))) == 2


def test_a_question_is_for_the_request_that_is_seen_before_or_behind_it() -> None:
    for first, second in ((ASKED, MESSAGE), (MESSAGE, ASKED)):
        (event,) = events((first, 100), (second, 102))
        assert (event.kind, event.caller, event.occurred_at) == (
            EventKind.SMS,
            CALLER.value,
            100,
        )
    for first, second in ((ASKED, OPTIONS), (OPTIONS, ASKED)):
        assert events((first, 100), (second, 102)) == []
    assert [event.kind for event in events((ASKED, 100))] == [EventKind.CALL]
    (event,) = events((ASKED, 100), (call(kind=EventKind.VIDEO), 101))
    assert (event.kind, event.caller) == (EventKind.VIDEO, CALLER.value)


def test_a_call_after_a_question_that_a_message_answered_counts() -> None:
    made = events((ASKED, 100), (MESSAGE, 101), (call(), 103))
    assert sorted(event.kind for event in made) == [EventKind.CALL, EventKind.SMS]


SIGHTINGS = st.sampled_from(
    [ROUTING, ASKED, MESSAGE, OPTIONS, call(), call(NOBODY, "b"), call(leg="c")]
)


@given(st.lists(st.tuples(SIGHTINGS, st.floats(0, 4)), max_size=12))
def test_no_sighting_of_a_caller_is_without_an_event(gaps: list[tuple[Seen, float]]) -> None:
    at, sightings = 1_000.0, []
    for seen, gap in gaps:
        at += gap
        sightings.append((seen, at))
    made = events(*sightings)
    for seen, when in sightings:
        if seen.told in (Told.CALL, Told.MESSAGE):
            is_call = seen.told is Told.CALL
            assert any(
                (event.kind in (EventKind.CALL, EventKind.VIDEO)) == is_call
                and event.occurred_at <= when
                for event in made
            )
        if seen.caller is not None:
            assert any(event.caller == seen.caller.value for event in made)
    assert len(made) <= len(sightings)
