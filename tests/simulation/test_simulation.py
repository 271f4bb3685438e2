"""A history that is small enough to be played by hand, and the bounds of every figure."""

from dataclasses import replace

import numpy as np
import pytest
from support.robots import week_spray
from support.small_history import (
    AGE_S,
    BANK,
    COLLECTOR_CALLER,
    FRIEND,
    NUMBERS,
    ROBOTS,
    Call,
    Quarantined,
    at,
    make_history,
    played,
    released_at,
    rule_policy,
)

from ringfence.engine.settings.policy import DAY_S, SettingError
from ringfence.engine.words import DisconnectReason, EventKind, Measure
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.history import APPLICATION, COLLECTOR, PERSONAL, Heard
from ringfence.simulation.outcome import Outcome, Share
from ringfence.simulation.play import play
from ringfence.simulation.player import EnginePlayer
from ringfence.simulation.recorded import RecordedHistory

A, B, C, D, E, F, G, H, J = NUMBERS[:9]
CALENDAR = Calendar("calendar", AGE_S)
COUNT = Candidate("count", rule_policy(Measure.EVENTS, window_days=5, limit=1))
REPEAT = Candidate("repeat", rule_policy(Measure.REPEAT_CALLERS, window_days=20))
SILENT = Candidate("silent", rule_policy(Measure.EVENTS, window_days=30))


def nine_numbers() -> RecordedHistory:
    """Nine numbers in 61 days; all but the last two in quarantine from noon of the first.

    A number's minimum age of 10 days is then reached at noon of day 10, and it is looked at for
    the first time after that at the end of that day, day 11 at midnight.
    """
    never = int(DisconnectReason.NEVER_ASSIGNED)
    return make_history(
        [
            Quarantined(A, reason=never, background_only=True),
            Quarantined(B, background_only=True),
            *(Quarantined(number) for number in (C, D, E, F)),
            Quarantined(G, reason=never, background_only=True),
            Quarantined(H, since=at(30, 12)),
            Quarantined(J, since=at(55, 12), background_only=True),
        ],
        [
            Call(B, at(9, 1), ROBOTS[0]),
            Call(B, at(9, 2), ROBOTS[1]),
            *(Call(C, at(day), FRIEND, PERSONAL) for day in (5, 8, 20)),
            *(Call(D, at(day), BANK, APPLICATION, EventKind.A2P_SMS) for day in (3, 33)),
            Call(E, at(2), COLLECTOR_CALLER, COLLECTOR),
            Call(E, at(41), COLLECTOR_CALLER, COLLECTOR),  # 30 days after day 11: too late
            Call(F, at(41, second=-1), COLLECTOR_CALLER, COLLECTOR),
            Call(G, at(10, 1), ROBOTS[0]),
            Call(G, at(10, 1), ROBOTS[0], arrived_at=at(10, 3)),  # a copy
            Call(G, at(10, 2), ROBOTS[1]),
            Call(H, at(45), FRIEND, PERSONAL),
            Call(J, at(60, 5), ROBOTS[0]),
        ],
        days=61,
    )


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    found = play(nine_numbers(), [CALENDAR, COUNT, REPEAT])
    return {outcome.candidate.name: outcome for outcome in found}


def test_calendar_releases_by_age_alone(outcomes: dict[str, Outcome]) -> None:
    calendar = outcomes["calendar"]
    # A to G on day 11, H on day 41; J would be due on day 65.
    assert released_at(nine_numbers(), CALENDAR) == [at(11)] * 7 + [at(41), None]
    assert (calendar.numbers, calendar.released) == (9, 8)
    # Months end with days 30, 60, and 61.
    assert calendar.released_per_month == (7, 1, 0)
    # From noon to midnight: eight numbers 10.5 days, and J longer.
    assert calendar.median_days == 10.5
    # 30 days behind day 11 are in the history, those behind day 41 are not: H does not count.
    assert calendar.personal == Share(1, 7)  # C on day 20
    assert calendar.application == Share(1, 7)  # D on day 33
    assert calendar.collector == Share(1, 7)  # F; E's call comes when the 30 days are over
    assert calendar.residual == Share(3, 7)
    assert calendar.background_by_minimum_age == Share(3, 3)  # A, B, G; J's age is not reached


def test_count_waits_until_the_window_has_passed(outcomes: dict[str, Outcome]) -> None:
    count = outcomes["count"]
    # B has two calls in 5 days until day 14, 1 h: released on day 15. G likewise, a day later.
    # C's violation of day 8 is over on day 10, when its call of day 5 leaves the window.
    assert released_at(nine_numbers(), COUNT) == [
        *(at(11), at(15), at(11), at(11), at(11), at(11), at(16), at(41), None)
    ]
    assert count.released_per_month == (7, 1, 0)
    assert count.median_days == 10.5  # six of nine
    assert (count.personal, count.application) == (Share(1, 7), Share(1, 7))
    assert (count.collector, count.residual) == (Share(1, 7), Share(3, 7))
    assert count.background_by_minimum_age == Share(1, 3)  # A


def test_repeat_callers_keep_the_number_of_a_friend(outcomes: dict[str, Outcome]) -> None:
    repeat = outcomes["repeat"]
    # C: with the call of day 20 the friend has three in 20 days; only one is left on day 28.
    assert released_at(nine_numbers(), REPEAT) == [
        *(at(11), at(11), at(28), at(11), at(11), at(11), at(11), at(41), None)
    ]
    assert (repeat.personal, repeat.application) == (Share(0, 7), Share(1, 7))
    assert (repeat.collector, repeat.residual) == (Share(1, 7), Share(2, 7))
    assert repeat.background_by_minimum_age == Share(3, 3)  # two robots once each are nobody


def test_numbers_never_assigned_are_the_yardstick(outcomes: dict[str, Outcome]) -> None:
    for name, in_time, noisy in (
        ("calendar", Share(2, 2), None),
        ("count", Share(1, 2), Share(1, 2)),  # G's two calls are seen on day 11
        ("repeat", Share(2, 2), Share(0, 2)),
    ):
        never = outcomes[name].never_assigned
        assert (never.numbers, never.by_minimum_age) == (2, in_time)
        assert never.noisy_at_minimum_age == noisy
        # Two calls to G, the copy left out; A and G from noon of day 0 to the end of day 60.
        assert (never.events, never.number_days) == (2, 121.0)
        assert never.events_per_number_day == 2 / 121


def test_share_of_nothing_is_none() -> None:
    assert Share(0, 0).share is None
    assert Share(1, 4).share == 0.25


@pytest.mark.parametrize(
    ("since", "released"),
    [
        (at(1), at(11)),  # the minimum age is reached at the moment of a check
        (at(1, second=1), at(12)),
        (at(1, second=-1), at(11)),
    ],
)
def test_first_check_at_or_after_the_minimum_age_is_in_time(since: int, released: int) -> None:
    history = make_history(
        [Quarantined(A, at(0)), Quarantined(B, since, background_only=True)], [], days=12
    )
    for outcome in play(history, [SILENT, CALENDAR]):
        assert outcome.background_by_minimum_age == Share(1, 1)
        assert released_at(history, outcome.candidate)[1] == released


def test_check_after_the_first_one_is_not_in_time() -> None:
    """Two calls less than a second's difference apart decide about a day."""
    for second, in_time in ((0, 1), (1, 0)):
        # The call leaves the window of 5 days at the check of day 11, or a second after it.
        policy = rule_policy(Measure.EVENTS, window_days=5)
        history = make_history(
            [Quarantined(A, at(1), background_only=True)],
            [Call(A, at(6, second=second))],
            days=12,
        )
        (outcome,) = play(history, [Candidate("five", policy)])
        assert outcome.background_by_minimum_age == Share(in_time, 1)
        assert outcome.released == 1


@pytest.mark.parametrize(
    ("since", "days", "of"), [(at(0, 12), 10, 0), (at(0, 12), 11, 1), (at(0), 10, 1)]
)
def test_number_whose_minimum_age_comes_after_the_history_does_not_count(
    since: int, days: int, of: int
) -> None:
    history = make_history([Quarantined(A, since, background_only=True)], [], days=days)
    for outcome in play(history, [SILENT, CALENDAR]):
        assert outcome.background_by_minimum_age == Share(of, of)
        assert outcome.released == of


@pytest.mark.parametrize(("days", "months"), [(30, (1,)), (31, (1, 0))])
def test_check_at_the_end_of_a_month_belongs_to_it(days: int, months: tuple[int, ...]) -> None:
    history = make_history([Quarantined(A, at(0)), Quarantined(B, at(20))], [], days=days)
    (outcome,) = play(history, [Calendar("calendar", 30 * DAY_S)])
    assert outcome.released_per_month == months  # A; B would come on day 50


def test_policy_without_a_minimum_age_releases_at_once() -> None:
    # A comes at the very beginning, when nobody asks yet; B at the moment of a check.
    numbers = [
        Quarantined(number, at(day), background_only=True) for day, number in enumerate((A, B))
    ]
    history = make_history(numbers, [], days=3)
    policy = replace(SILENT.policy, minimum_age_s=0)
    at_once = [Candidate("at-once", policy), Calendar("calendar", 0)]
    for outcome in play(history, at_once):
        assert (outcome.median_days, outcome.background_by_minimum_age) == (0.5, Share(2, 2))


@pytest.mark.parametrize(("days", "of"), [(40, 0), (41, 1)])
def test_release_counts_with_thirty_days_of_history_behind_it(days: int, of: int) -> None:
    history = make_history(
        [Quarantined(A)], [Call(A, at(39), FRIEND, PERSONAL, EventKind.SMS)], days=days
    )
    for outcome in play(history, [SILENT, CALENDAR]):
        assert outcome.released == 1  # on day 11
        assert outcome.personal == outcome.residual == Share(of, of)
        assert outcome.application == Share(0, of)


def test_call_at_the_moment_of_release_comes_to_the_new_owner() -> None:
    for second, came in ((-1, 0), (0, 1)):
        history = make_history(
            [Quarantined(A)],
            [Call(A, at(11, second=second), FRIEND, PERSONAL)],
            days=60,
        )
        (outcome,) = play(history, [CALENDAR])
        assert outcome.personal == Share(came, 1)


def test_late_event_counts_when_it_arrives_before_the_release() -> None:
    for arrived_at, released in ((at(10, 23), at(32)), (at(11, 1), at(11))):
        late = Call(A, at(2), FRIEND, PERSONAL, arrived_at=arrived_at)
        history = make_history([Quarantined(A)], [late], days=60)
        assert released_at(history, SILENT) == [released]
        (outcome,) = play(history, [SILENT])
        assert outcome.personal == Share(0, int(released == at(11)))  # it came before the release


def test_what_arrives_after_the_last_day_still_comes_to_the_new_owner() -> None:
    late = Call(A, at(40), FRIEND, PERSONAL, arrived_at=at(43))
    history = make_history([Quarantined(A)], [late], days=41)
    assert list(history.days())[-1].ends_at > history.ends_at
    (outcome,) = play(history, [SILENT])
    assert outcome.personal == Share(1, 1)


def test_no_number_is_released_after_the_last_day() -> None:
    late = Call(A, at(9), arrived_at=at(20))
    for candidate in (SILENT, CALENDAR):
        history = make_history([Quarantined(A)], [late], days=10)
        assert released_at(history, candidate) == [None]


def test_events_of_a_released_number_are_nobodys_business() -> None:
    history = make_history(
        [Quarantined(A), Quarantined(B)],
        [*(Call(A, at(day)) for day in (3, 50, 51, 52)), *(Call(B, at(day)) for day in (3, 53))],
        days=60,
    )
    player = played(history, SILENT)
    assert list(player.ledger.released_at) == [at(33), at(33)]
    (counters, *_) = player.segment.counters()
    assert (counters.accepted, counters.untracked) == (2, 4)


def test_half_of_the_numbers_in_quarantine_leave_no_median() -> None:
    silent, noisy = Quarantined(A), Quarantined(B)
    calls = [Call(B, at(day)) for day in range(1, 40)]
    (outcome,) = play(make_history([silent, noisy], calls, days=40), [SILENT])
    assert (outcome.released, outcome.median_days) == (1, None)
    third = Quarantined(C, since=at(2))
    (outcome,) = play(make_history([silent, noisy, third], calls, days=40), [SILENT])
    # 10.5 days for the silent one, 10 for the third, more for the noisy one.
    assert outcome.median_days == 10.5


def test_engine_never_sees_what_an_event_was() -> None:
    history = nine_numbers()
    columns = history._columns
    for was in (0, PERSONAL, APPLICATION, COLLECTOR):
        history._columns = replace(columns, was=columns.was * 0 + was)
        for candidate in (COUNT, REPEAT):
            assert released_at(history, candidate) == released_at(nine_numbers(), candidate)
    for day in nine_numbers().days():
        assert set(vars(day.evidence)) == {"called", "caller", "occurred_at", "kind"}


def robot_calls(day: float = 5, robot: int = 0, first: int = 0) -> list[Call]:
    """A robot that dials three numbers, one after the other."""
    return [Call(NUMBERS[first + i], at(day, 1, i), ROBOTS[robot]) for i in range(3)]


def test_spray_callers_are_discounted_only_when_asked_for() -> None:
    numbers = [Quarantined(number) for number in NUMBERS[:3]]
    history = make_history(numbers, robot_calls(), days=60)
    spray = replace(SILENT, spray=week_spray(numbers=3, callers=1024))
    assert released_at(history, SILENT) == [at(36)] * 3  # 30 days after day 5
    assert released_at(history, spray) == [at(11)] * 3
    more = replace(SILENT, spray=week_spray(numbers=4, callers=1024))
    assert released_at(history, more) == [at(36)] * 3


def test_banks_are_never_spray() -> None:
    numbers = [Quarantined(number) for number in NUMBERS[:3]]
    calls = [replace(call, kind=EventKind.A2P_SMS) for call in robot_calls()]
    history = make_history(numbers, calls, days=60)
    spray = replace(SILENT, spray=week_spray(numbers=3, callers=1024))
    assert released_at(history, spray) == [at(36)] * 3


def test_robots_that_are_silent_make_room_for_new_ones_every_day() -> None:
    numbers = [Quarantined(number) for number in NUMBERS[:6]]
    calls = [call for robot in range(8) for call in robot_calls(robot=robot)]
    history = make_history(numbers, calls + robot_calls(day=6, robot=8, first=3), days=60)
    full = replace(SILENT, spray=week_spray(numbers=3, callers=1024, spray_callers_max=8))
    assert released_at(history, full)[3:] == [at(11)] * 3


def test_more_entries_keep_a_ring_from_being_full() -> None:
    """Twelve strangers fill a ring of 12: what came before them nobody knows any more."""
    history = make_history(
        [Quarantined(A)], [Call(A, at(5, i), ROBOTS[i]) for i in range(1, 13)], days=60
    )
    assert released_at(history, REPEAT) == [at(26)]  # when the first of them leaves the 20 days
    assert released_at(history, replace(REPEAT, ring_entries=28)) == [at(11)]


def test_candidate_that_its_rings_cannot_decide_is_refused() -> None:
    policy = rule_policy(Measure.EVENTS, window_days=5, limit=12)
    history = make_history([Quarantined(A)], [], days=1)
    with pytest.raises(SettingError, match=r"rules\[0\].limit: value=12, bound=0 to 11"):
        play(history, [Candidate("too-many", policy)])
    play(history, [Candidate("more", policy, ring_entries=28)])


def test_shares_by_kind_know_no_collectors() -> None:
    history = make_history([Quarantined(A)], [], days=41, knows_classes=False)
    (outcome,) = play(history, [CALENDAR])
    assert outcome.collector is None


def test_progress_is_told_in_days() -> None:
    told: list[tuple[int, int]] = []
    history = make_history([Quarantined(A)], [Call(A, at(3))], days=7)
    play(history, [SILENT, CALENDAR], progress=lambda done, total: told.append((done, total)))
    assert told == [(day, 7) for day in range(7)] + [(7, 7)]


def test_number_is_asked_about_only_once_its_day_has_come() -> None:
    assert AGE_S == 10 * DAY_S
    history = make_history([Quarantined(A, at(3))], [], days=20)
    assert released_at(history, SILENT) == [at(13)]


def test_call_on_the_day_of_the_quarantine_counts() -> None:
    """Numbers enter before the events of their day; a call before the quarantine is nobody's."""
    for hour, released in ((11, at(11)), (13, at(31))):
        history = make_history([Quarantined(A, at(0, 12))], [Call(A, at(0, hour))], days=60)
        assert released_at(history, SILENT) == [released]


def test_reason_is_that_of_the_number() -> None:
    never = int(DisconnectReason.NEVER_ASSIGNED)
    history = make_history([Quarantined(A), Quarantined(B, reason=never)], [], days=1)
    player = played(history, SILENT)
    assert isinstance(player, EnginePlayer)
    headers = [player._writer.header(number) for number in (A, B)]
    assert [header and header.reason for header in headers] == [0, never]


def test_part_of_a_day_at_the_end_is_history_but_has_no_check() -> None:
    never = int(DisconnectReason.NEVER_ASSIGNED)
    for since, due in ((at(0), 1), (at(0, 12), 0)):  # nobody looks after midnight of day 10
        number = Quarantined(A, since, reason=never, background_only=True)
        history = make_history([number], [], days=10.75)
        for outcome in play(history, [SILENT, CALENDAR]):
            assert outcome.background_by_minimum_age == Share(due, due)
            assert outcome.never_assigned.by_minimum_age == Share(due, due)
            assert outcome.never_assigned.number_days == 10.75 - (since - at(0)) / DAY_S


def test_error_while_a_day_is_played_is_raised() -> None:
    history = make_history([Quarantined(A)], [], days=3)
    none = np.empty(0, np.uint64)
    uneven = Heard(none, np.zeros(1, np.uint64), none.astype(np.uint32), none.astype(np.int32))
    history._evidence = lambda part: uneven
    with pytest.raises(ValueError, match="length"):
        play(history, [SILENT])
