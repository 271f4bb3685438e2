"""Who becomes a spray caller, and what of whom is discounted."""

from itertools import pairwise

import numpy as np
import pytest
from support.robots import (
    CALLED,
    DAY_S,
    LATER,
    PERSON,
    ROBOT,
    calls,
    is_robot,
    robot_table,
    robots_of,
    send,
    told_apart,
    week_spray,
)
from support.small_table import START, insert, make_table, take

from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.engine.settings.policy import NO_SPRAY, SettingError, Spray
from ringfence.engine.words import EventKind, State, Verdict

SPRAY_KINDS = [EventKind.CALL, EventKind.SMS, EventKind.VOICEMAIL, EventKind.VIDEO]
OTHER_KINDS = [EventKind.A2P_SMS, EventKind.MMS]
WEEK_S = 7 * DAY_S


@pytest.mark.parametrize("one_batch", [True, False])
def test_eighth_number_makes_a_caller_a_robot_and_takes_no_slot(one_batch: bool) -> None:
    table = robot_table()
    events = calls(CALLED[:9])
    if one_batch:
        decided = send(table, events)
    else:
        decided = [flag for event in events for flag in send(table, [event])]
    assert decided == [False] * 7 + [True] * 2
    assert [len(table.rings()[number]) for number in CALLED[:9]] == [1] * 7 + [0] * 2
    assert is_robot(table)
    assert table.segment.spray_callers == 1


def test_entries_from_before_count_no_longer_once_their_caller_is_a_robot() -> None:
    table = robot_table()  # noisy is who was called within 100 seconds
    send(table, calls(CALLED[:7]))
    assert table.engine.check(np.array(CALLED[:8], np.uint64), now=START + 50)[0].tolist() == [
        *[Verdict.NOISY] * 7,
        Verdict.CLEAN,
    ]
    before = table.engine.explain(CALLED[0], now=START + 50)
    assert before is not None and [event.spray for event in before.recent] == [False]
    send(table, [(CALLED[0], PERSON, START + 3, EventKind.CALL)])
    send(table, calls(CALLED[7:8], first_s=7))
    verdicts, clean_at = table.engine.check(np.array(CALLED[:8], np.uint64), now=START + 50)
    assert verdicts.tolist() == [Verdict.NOISY] + [Verdict.CLEAN] * 7
    assert clean_at[1:].tolist() == [START] * 7
    after = table.engine.explain(CALLED[0], now=START + 50)
    assert after is not None
    assert [(event.caller_tag, event.spray) for event in after.recent] == [(1, False), (2, True)]
    assert (after.rules[0].value, after.events_total) == (1, 2)


@pytest.mark.parametrize("ring_entries", RING_ENTRIES)
@pytest.mark.parametrize("callers", [16, 32, 4096, 2**20, 2**24])
def test_seven_numbers_make_nobody_a_robot_and_eight_do(callers: int, ring_entries: int) -> None:
    table = robot_table(week_spray(callers=callers), ring_entries=ring_entries)
    people = [441632960000 + i for i in range(10)]
    numbers = told_apart(CALLED, 8)
    for person in people:
        assert not any(send(table, calls(numbers[:7] * 3, person)))
    assert not robots_of(table.segment)
    for person in people[:3]:
        assert send(table, calls(numbers[7:], person, first_s=60)) == [True]
    assert len(robots_of(table.segment)) == table.segment.spray_callers == 3


def test_number_that_is_called_again_is_one_number() -> None:
    table = robot_table()
    assert not any(send(table, calls(CALLED[:7] * 20)))
    assert not is_robot(table)


@pytest.mark.parametrize(
    ("span_s", "robot"), [(WEEK_S - 1, True), (WEEK_S, False), (WEEK_S + 1, False), (0, True)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_eight_numbers_lie_within_less_than_the_window(
    span_s: int, robot: bool, reverse: bool
) -> None:
    table = robot_table()
    events = calls(CALLED[:7], every_s=0) + calls(CALLED[7:8], first_s=span_s)
    assert send(table, events[::-1] if reverse else events) == [False] * 7 + [robot]
    assert is_robot(table) == robot


@pytest.mark.parametrize(
    ("numbers", "window_s", "gap_s", "robot"),
    [
        (2, 1, 0, True), (2, 1, 1, False), (2, 2, 1, True), (3, 10, 4, True), (3, 10, 5, False),
        (5, 60, 14, True), (5, 60, 15, False), (8, 400 * DAY_S, 50 * DAY_S, True),
    ],
)  # fmt: skip
def test_other_settings_hold_as_they_say(
    numbers: int, window_s: int, gap_s: int, robot: bool
) -> None:
    table = robot_table(Spray(numbers, window_s, callers=64))
    events = calls(CALLED[:numbers], every_s=gap_s)
    assert send(table, events) == [False] * (numbers - 1) + [robot]


@pytest.mark.parametrize("seed", range(20))
def test_order_in_which_calls_arrive_makes_no_difference(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for span_s, robot in ((WEEK_S - 1, True), (WEEK_S, False)):
        table = robot_table()
        times = np.sort(chance.integers(0, span_s + 1, 8))
        times[0], times[-1] = 0, span_s
        events = [
            (n, ROBOT, START + int(at), EventKind.CALL)
            for n, at in zip(CALLED, times, strict=False)
        ]
        shuffled = [events[i] for i in chance.permutation(8)]
        for begin, end in pairwise([0, *sorted(chance.integers(0, 8, 2).tolist()), 8]):
            if begin < end:
                send(table, shuffled[begin:end])
        assert is_robot(table) == robot


def test_newest_call_to_a_number_is_the_one_that_is_kept() -> None:
    table = robot_table()
    send(table, calls(CALLED[:1]))
    send(table, calls(CALLED[1:7], first_s=6 * DAY_S))
    assert not any(send(table, calls(CALLED[:1], first_s=6 * DAY_S)))
    assert send(table, calls(CALLED[7:8], first_s=8 * DAY_S)) == [True]


def test_late_call_does_not_replace_a_newer_one_to_its_number() -> None:
    table = robot_table()
    send(table, calls(CALLED[:1], first_s=6 * DAY_S))
    send(table, calls(CALLED[:1]))
    send(table, calls(CALLED[1:7], first_s=6 * DAY_S))
    assert send(table, calls(CALLED[7:8], first_s=8 * DAY_S)) == [True]


def test_ninth_number_displaces_the_oldest_of_eight() -> None:
    table = robot_table()
    assert not any(send(table, calls(CALLED[:8], every_s=DAY_S)))  # 7 days from first to last
    assert send(table, calls(CALLED[8:9], first_s=7 * DAY_S + 1)) == [True]


def test_call_older_than_the_eight_that_are_kept_is_not_kept() -> None:
    table = robot_table(Spray(8, 9 * DAY_S, callers=64))
    assert not any(send(table, calls(CALLED[:8], first_s=DAY_S, every_s=2 * DAY_S)))
    assert not any(send(table, calls(CALLED[8:9])))
    newer = calls(CALLED[9:12], first_s=15 * DAY_S + 1, every_s=3600)
    assert send(table, newer) == [False, False, True]  # with those of the days 7 to 15


def test_event_sent_again_changes_nothing_for_a_person_and_nothing_for_a_robot() -> None:
    table = robot_table()
    person, robot = calls(CALLED[:7], PERSON), calls(CALLED[:8])
    for _ in range(3):
        send(table, person)
        send(table, robot)
    assert is_robot(table) and not is_robot(table, PERSON)
    assert table.segment.spray_callers == 1
    assert [len(table.rings()[number]) for number in CALLED[:8]] == [2] * 7 + [0]


@pytest.mark.parametrize("kind", SPRAY_KINDS)
def test_calls_and_messages_of_people_make_a_robot(kind: EventKind) -> None:
    table = robot_table()
    mixed = [(n, c, t, SPRAY_KINDS[i % 4]) for i, (n, c, t, _) in enumerate(calls(CALLED[:7]))]
    assert send(table, [*mixed, *calls(CALLED[7:8], first_s=7, kind=kind)]) == [False] * 7 + [True]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_applications_and_mms_make_no_robot(kind: EventKind) -> None:
    table = robot_table()
    assert not any(send(table, calls(CALLED, kind=kind)))
    assert not any(send(table, calls(CALLED[:7])))  # and are none of the eight
    assert send(table, calls(CALLED[7:8])) == [True]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_applications_and_mms_of_a_robot_are_counted_all_the_same(kind: EventKind) -> None:
    table = robot_table()
    send(table, calls(CALLED[:8]))
    assert not any(send(table, calls(CALLED[:20], first_s=10, kind=kind)))
    verdicts, _ = table.engine.check(np.array(CALLED[:21], np.uint64), now=START + 50)
    assert verdicts.tolist() == [Verdict.NOISY] * 20 + [Verdict.CLEAN]
    told = table.engine.explain(CALLED[0], now=START + 50)
    assert told is not None
    assert [(event.kind, event.spray) for event in told.recent] == [
        (kind, False),
        (EventKind.CALL, True),
    ]


def test_withheld_callers_are_never_robots() -> None:
    table = robot_table()
    for withheld in (0, 10**15, 2**63 - 1):
        assert not any(send(table, calls(CALLED, withheld)))
    assert not robots_of(table.segment)


def test_caller_of_text_can_be_a_robot() -> None:
    table = robot_table()
    assert send(table, calls(CALLED[:8], 2**63 | 5, kind=EventKind.SMS))[-1]


def test_calls_to_numbers_that_are_not_tracked_do_not_count() -> None:
    table = robot_table()
    for number in CALLED[50:]:
        table.writer.set_state(number, State.ASSIGNED, since=START + 1)
    elsewhere = calls(range(447700900500, 447700900600))
    before = calls(CALLED[10:20], first_s=-20)  # before their quarantine
    assert send(table, [*elsewhere, *before, *calls(CALLED[50:])]) == []
    assert send(table, calls(CALLED[:7])) == [False] * 7
    assert send(table, calls(CALLED[7:8])) == [True]


def test_events_that_are_refused_do_not_count() -> None:
    table = robot_table()
    now = START + 100
    refused = [(number, ROBOT, now + 301, EventKind.CALL) for number in CALLED[:20]]
    assert insert(table.engine, refused, now).rejected == 20
    impossible = [(number, ROBOT, now, 7) for number in CALLED[:20]]
    assert insert(table.engine, impossible, now).rejected == 20
    assert send(table, calls(CALLED[:7])) == [False] * 7


def test_other_callers_of_the_same_bucket_do_not_add_up() -> None:
    table = robot_table(week_spray(callers=16))  # one bucket
    for i in range(100):
        assert not any(send(table, calls([CALLED[i]], 441632960000 + i, first_s=i)))
        assert not any(send(table, calls(CALLED[:7], PERSON, first_s=i)))
    assert not robots_of(table.segment)


def test_caller_in_the_place_of_a_robot_does_not_get_its_calls() -> None:
    table = robot_table(week_spray(callers=16))  # one bucket
    numbers = told_apart(CALLED, 8)
    for i in range(16):
        assert send(table, calls(numbers, 441632960000 + i, first_s=i))[-1]
    for i in range(20):
        assert send(table, calls(numbers[:1], 442079460000 + i, first_s=100 + i)) == [False]
    assert table.segment.spray_callers == 16


def test_late_calls_of_a_caller_go_before_newer_ones_that_another_left_in_its_place() -> None:
    table = robot_table(week_spray(callers=16))  # one bucket
    numbers = told_apart(CALLED, 8)
    for i in range(16):
        send(table, calls(numbers, 441632960000 + i, first_s=50 + i))
    assert send(table, calls(numbers[:1], PERSON, first_s=100)) == [False]
    assert send(table, calls(numbers[1:], PERSON, first_s=10)) == [False] * 6 + [True]


def test_worker_counts_what_robots_sent() -> None:
    table = robot_table()
    send(table, calls(CALLED[:20]))
    counters = table.segment.counters()[0]
    assert (counters.accepted, counters.spray) == (20, 13)


def test_nobody_is_a_robot_where_it_is_switched_off() -> None:
    for spray in (NO_SPRAY, week_spray(numbers=0, callers=1024)):
        table = robot_table(spray)
        assert not any(send(table, calls(CALLED)))
        assert not robots_of(table.segment)


def test_journalled_decision_makes_the_robot_known_and_its_calls_are_kept_again() -> None:
    table, again = robot_table(), robot_table()
    taken = take(table.engine, calls(CALLED[:7]), LATER).taken
    again.engine.repeat(taken)
    assert not is_robot(again)
    assert send(again, calls(CALLED[7:8])) == [True]
    only_last = robot_table()
    only_last.engine.repeat(take(table.engine, calls(CALLED[7:8]), LATER).taken)
    assert is_robot(only_last)
    assert only_last.segment.spray_callers == 1
    assert send(only_last, calls(CALLED[20:21])) == [True]


def test_decision_of_then_stands_when_it_is_repeated() -> None:
    table = robot_table()
    early, late = calls(CALLED[:7]), calls(CALLED[7:9], first_s=7)
    first, second = (take(table.engine, events, LATER).taken for events in (early, late))
    again = robot_table()
    again.engine.repeat(second)
    again.engine.repeat(first)  # of a known robot by now, and took slots then
    assert again.rings() == table.rings()
    assert robots_of(again.segment) == robots_of(table.segment)
    off = robot_table(NO_SPRAY)
    off.engine.repeat(second)
    off.engine.repeat(first)
    assert off.rings() == table.rings()
    assert not robots_of(off.segment)


@pytest.mark.parametrize(
    ("spray", "problem"),
    [
        (week_spray(numbers=1), "numbers: value=1, bound=2 to 8"),
        (week_spray(numbers=9), "numbers: value=9, bound=2 to 8"),
        (week_spray(window_s=0), "window: value=0 s, bound=1 to 34560000 s"),
        (week_spray(window_s=34_560_001), "window: value=34560001 s, bound=1 to 34560000 s"),
        (week_spray(callers=0), "callers: value=0, bound=a power of two, 16 to 16777216"),
        (week_spray(callers=8), "callers: value=8, bound=a power of two, 16 to 16777216"),
        (week_spray(callers=48), "callers: value=48, bound=a power of two, 16 to 16777216"),
        (
            week_spray(callers=2**25),
            "callers: value=33554432, bound=a power of two, 16 to 16777216",
        ),
        (week_spray(spray_callers_max=0), "spray_callers_max: value=0, bound=1 to 16777216"),
    ],
)
def test_settings_out_of_bounds_are_refused(spray: Spray, problem: str) -> None:
    with pytest.raises(SettingError) as caught:
        make_table(spray=spray)
    assert str(caught.value) == problem


@pytest.mark.parametrize("callers", [0, 16, 4096])
def test_caller_takes_72_bytes(callers: int) -> None:
    more = Segment.bytes_needed(100, 12, callers) - Segment.bytes_needed(100, 12)
    assert more == -(-72 * callers // 4096) * 4096
