"""What `ringfence explain` says of each verdict, in words that a counter clerk can repeat."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from ringfence import (
    DisconnectReason,
    EventKind,
    Measure,
    Number,
    Policy,
    RecentEvent,
    Reservation,
    ReservationState,
    RuleResult,
    Verdict,
)
from ringfence.wording.explanation import explanation
from ringfence.wording.words import count_text, distance_text, rule_text, span_text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEPT = RuleResult(Measure.EVENTS, (), 30 * DAY, 10, 3, broken=False, saturated=False)
NUMBER = Number(
    number=447700900123,
    verdict=Verdict.CLEAN,
    pool="default",
    policy="default",
    reason=DisconnectReason.NON_PAYMENT,
    quarantined_at=NOW - 100 * DAY,
    observed_since=NOW - 100 * DAY,
    clean_at=NOW - 10 * DAY,
    expected_at=NOW,
    last_event_at=None,
    events_total=0,
    overdue=False,
    overridden=False,
    reservation="",
    rule_results=(KEPT,),
    coverage=1.0,
    queue_position=0,
    recent=(),
)


def said(number: Number, *, forecast: bool = False) -> str:
    """The explanation as plain text."""
    console = Console(width=100, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(explanation(number, NOW, forecast=forecast))
    return captured.get()


def broken(**changes: object) -> Number:
    """A noisy number whose one rule is broken."""
    rule = replace(KEPT, broken=True, **changes)  # type: ignore[arg-type]
    return replace(
        NUMBER,
        verdict=Verdict.NOISY,
        clean_at=NOW + 19 * DAY,
        expected_at=NOW + 20 * DAY,
        rule_results=(rule,),
    )


POLICY = Policy("default", (), minimum_age=119 * DAY, quiet_period=14 * DAY)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, ["older than the 30 days of the broken rule."]),
        (
            POLICY,
            ["the 30 days of the broken rule, and the policy's quiet period of 14 days"],
        ),
        (POLICY, ["is over, and its minimum age of 119 days is reached."]),
        (replace(POLICY, quiet_period=0 * DAY), ["broken rule, and its minimum age of 119 days"]),
    ],
)
def test_the_date_of_a_noisy_number_is_explained(policy: Policy | None, words: list[str]) -> None:
    console = Console(width=500, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(explanation(broken(value=11), NOW, policy=policy))
    shown = captured.get()
    assert all(each in shown for each in words), shown
    assert "Noise and age end on 2026-06-20T12:00:00Z; the rest is time" in shown
    assert ("quiet period" in shown) == (policy is not None and bool(policy.quiet_period))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (NUMBER, "Fit to be handed out, since 2026-05-22T12:00:00Z (10 days ago)."),
        (replace(NUMBER, overridden=True), "an operator said so on 2026-05-22T12:00:00Z."),
        (replace(NUMBER, queue_position=1234), "Place in the queue: 1,234."),
        (NUMBER, "In quarantine since 2026-02-21T12:00:00Z (100 days ago); reason: non payment."),
        (
            broken(value=11),
            "Not fit to be handed out: 11 calls and messages in 30 days, and at most 10 are",
        ),
        (broken(value=11), "If it stays silent it is clean from 2026-06-21T12:00:00Z (in 20 days)"),
        (
            broken(value=1, limit=0, measure=Measure.REPEAT_CALLERS),
            "1 caller who tried more than once in 30 days, and none is allowed.",
        ),
        (
            broken(value=5, saturated=True),
            "it cannot be shown that there were at most 10 calls and messages in 30 days.",
        ),
        (
            replace(NUMBER, verdict=Verdict.NOISY),
            "the quiet period after the last trouble is not over",
        ),
        (
            replace(NUMBER, verdict=Verdict.AGING, expected_at=NOW + timedelta(hours=1)),
            "(in 60 minutes). That counts on being listened to all the time until then.",
        ),
        (
            replace(NUMBER, verdict=Verdict.UNOBSERVED, coverage=0.5),
            "too little of that time was listened to (50.0%).",
        ),
        (replace(NUMBER, verdict=Verdict.HELD, clean_at=None), "an operator holds it"),
        (replace(NUMBER, verdict=Verdict.RESERVED, reservation="r1"), "for an allocator: r1."),
        (replace(NUMBER, verdict=Verdict.ASSIGNED), "Handed out to a new owner."),
        (replace(NUMBER, verdict=Verdict.RETIRED), "Retired"),
        (replace(NUMBER, verdict=Verdict.HELD, overdue=True), "Overdue"),
    ],
)
def test_each_verdict_has_its_reason(number: Number, words: str) -> None:
    assert words in " ".join(said(number).split())  # however it was wrapped


def test_silence_nobody_listened_to_is_promised_for_when_enough_was() -> None:
    number = replace(
        NUMBER,
        verdict=Verdict.UNOBSERVED,
        clean_at=NOW - timedelta(days=9),
        expected_at=NOW + timedelta(days=3),
    )
    text = " ".join(said(number).split())
    assert "It is clean once enough of the time was." in text
    assert "it is clean from 2026-06-04T12:00:00Z (in 3 days)." in text
    assert "clean from" not in said(replace(number, expected_at=None))  # an older server


def test_time_to_come_is_told_as_a_forecast() -> None:
    first, second, *_ = said(NUMBER, forecast=True).splitlines()
    assert first == "+447700900123  CLEAN (forecast)"
    assert second == (
        "No fact but a forecast for 2026-06-01T12:00:00Z, if it stays silent and is listened to"
        " until then."
    )
    assert "forecast" not in said(NUMBER)


def test_history_that_begins_within_the_hour_is_not_known_yet() -> None:
    text = said(replace(NUMBER, observed_since=NOW + timedelta(minutes=11)))
    assert "Its events are known only from " in text
    assert "(in 11 minutes) on." in text


def test_of_an_unknown_number_nothing_is_said_but_that() -> None:
    unknown = replace(
        NUMBER, verdict=Verdict.UNTRACKED, quarantined_at=None, clean_at=None, rule_results=()
    )
    assert said(unknown).splitlines() == [
        "+447700900123  UNTRACKED",
        "Not in quarantine, or not at that time: nothing is known of it.",
    ]


def test_events_are_told_by_kind_and_caller_the_busiest_first() -> None:
    def event(hours_ago: int, tag: int, kind: EventKind, spray: bool = False) -> RecentEvent:
        return RecentEvent(NOW - timedelta(hours=hours_ago), kind, tag, spray)

    number = replace(
        NUMBER,
        recent=(
            event(1, 1, EventKind.CALL),
            event(2, 2, EventKind.SMS),
            event(3, 2, EventKind.CALL),
            event(4, 0, EventKind.A2P_SMS),
            event(5, 3, EventKind.VOICEMAIL, spray=True),
        ),
    )
    lines = [line.rstrip() for line in said(number).splitlines()]
    assert " ".join(lines[-6:-4]) == (
        "Kept are 5 events, 1 of them from robots, which do not count: 2 calls, 1 text message,"
        " 1 application message, 1 voicemail, from 3 callers and withheld callers."
    )
    assert lines[-4:] == [
        "  caller 2 tried 2 times: from 2026-06-01T09:00:00Z to 2026-06-01T10:00:00Z",
        "  withheld callers wrote once: 2026-06-01T08:00:00Z",
        "  caller 1 called once: 2026-06-01T11:00:00Z",
        "  caller 3 (robot) called once: 2026-06-01T07:00:00Z",
    ]


def test_events_that_are_no_longer_kept_are_counted() -> None:
    kept = (RecentEvent(NOW, EventKind.CALL, 1, False),)
    assert "Events since" not in said(replace(NUMBER, recent=kept, events_total=1))
    text = said(replace(NUMBER, recent=kept, events_total=1234))
    assert "Events since its quarantine began: 1,234, with those that were sent again." in text
    assert "The newest event that is kept: 1 call, from 1 caller." in text
    withheld = (RecentEvent(NOW, EventKind.CALL, 0, False),)
    assert "1 call, from withheld callers." in said(replace(NUMBER, recent=withheld))


def test_a_reservation_that_is_known_says_for_whom_and_until_when() -> None:
    held = Reservation(
        *("r1", "default", ReservationState.ACTIVE, 1, (), (), NOW, NOW + 2 * DAY, "bss")
    )
    console = Console(width=100, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(explanation(replace(NUMBER, verdict=Verdict.RESERVED), NOW, held))
    text = " ".join(captured.get().split())
    assert "Reserved for bss until 2026-06-03T12:00:00Z (in 2 days): reservation r1." in text


def test_rules_and_spans_read_as_english() -> None:
    assert rule_text(Measure.EVENTS, (EventKind.A2P_SMS,)) == "application messages"
    assert rule_text(Measure.EVENTS, (EventKind.CALL, EventKind.VIDEO), 1) == "call or video call"
    assert rule_text(Measure.CALLERS, (), 2) == "callers"
    assert rule_text(Measure.CALLERS, (EventKind.CALL,), 1) == "caller by calls"
    assert count_text(EventKind.MMS, 1) == "1 picture message"
    assert span_text(timedelta(days=90)) == "90 days"
    assert span_text(timedelta(hours=36)) == "1 day 12 hours"
    assert span_text(timedelta(seconds=61)) == "1 minute 1 second"
    assert distance_text(timedelta(hours=49)) == "2 days"
    assert distance_text(timedelta(hours=36)) == "36 hours"
    assert distance_text(timedelta(seconds=1)) == "1 second"
