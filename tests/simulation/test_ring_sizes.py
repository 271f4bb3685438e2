"""Which K is recommended for the traffic of a history: worked out by hand."""

from dataclasses import replace

import pytest
from support.small_history import NUMBERS, ROBOTS, Call, Quarantined, at, make_history

from ringfence.cli.simulation_text import Source, outcome_json, print_outcomes
from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.policy import DAY_S, Policy, Rule
from ringfence.engine.words import Measure
from ringfence.simulation.candidate import Candidate
from ringfence.simulation.history import PERSONAL
from ringfence.simulation.outcome import Share
from ringfence.simulation.play import play
from ringfence.simulation.recorded import RecordedHistory
from ringfence.simulation.ring_sizes import bytes_a_number, recommended, ring_sizes

POLICY = Policy("ninety", (Rule(Measure.REPEAT_CALLERS, 150 * DAY_S, 0),), minimum_age_s=90 * DAY_S)
LIVED_D = 40  # that a number has been in quarantine; it came at noon


def heard(*events: int, days: float = LIVED_D + 0.5, was: int = PERSONAL) -> RecordedHistory:
    """Numbers to which so many events came, evenly."""
    calls = [
        Call(number, at(0.5 + (days - 0.5) * i / count), caller=ROBOTS[i % 100], was=was)
        for number, count in zip(NUMBERS, events, strict=False)
        for i in range(count)
    ]
    numbers = [Quarantined(number) for number, _ in zip(NUMBERS, events, strict=False)]
    return make_history(numbers, calls, days=days, knows_classes=False)


def enough(history: RecordedHistory, policy: Policy = POLICY) -> list[int]:
    """For how many numbers each K is enough."""
    return [size.enough.count for size in ring_sizes(history, [policy])]


def best(history: RecordedHistory, *policies: Policy) -> int | None:
    size = recommended(ring_sizes(history, policies or (POLICY,)))
    return size and size.ring_entries


def test_ring_is_enough_that_is_not_full_at_the_minimum_age() -> None:
    # In 40 days 5 and 6 events: in 90 days 11.25 and 13.5.
    assert enough(heard(0, 5, 6, 12, 13, 26, 27, 55, 56, 111, 112)) == [2, 4, 6, 8, 10]


def test_smallest_ring_is_recommended_that_is_enough_for_nineteen_numbers_in_twenty() -> None:
    assert best(heard(*[0] * 19, 111)) == 12
    assert best(heard(*[0] * 18, 20, 111)) == 60
    assert best(heard(*[200] * 10)) == max(RING_ENTRIES)


def test_policy_that_asks_for_most_decides() -> None:
    history = heard(20)
    short = replace(POLICY, name="short", minimum_age_s=10 * DAY_S)
    window = (Rule(Measure.EVENTS, 20 * DAY_S, 0),)
    assert best(history, short) == 12
    assert best(history, short, POLICY) == 60
    assert best(history, replace(POLICY, rules=window)) == 12  # older events do not matter
    assert best(history, replace(POLICY, rules=window, quiet_period_s=50 * DAY_S)) == 60
    assert best(history, replace(POLICY, minimum_age_s=0)) == 124


def test_numbers_count_after_thirty_days_or_twelve_events() -> None:
    young = heard(0, 11, 12, days=20)
    assert ring_sizes(young, [POLICY])[0].enough == Share(0, 1)
    assert best(young) == 60
    assert best(heard(0, 11, days=20)) is None
    assert best(heard(0, 11, days=31)) is not None


def test_robots_take_no_slot_and_time_that_nobody_observed_has_no_rate() -> None:
    assert best(heard(100, was=0)) == 12
    history = heard(40)
    history.numbers.observed_since[0] = at(20.5)  # 20 events in 20 days
    assert best(history) == 124
    history.numbers.observed_since[0] = at(39.5)  # one event in a day says nothing
    assert best(history) is None


def test_bytes_a_number_are_those_of_the_segment() -> None:
    assert list(map(bytes_a_number, RING_ENTRIES)) == [144, 272, 528, 1104, 2192]


@pytest.mark.parametrize(
    ("came", "text"),
    [
        ((5, 40.5), "Recommended for a new data folder: ring_entries = 12, the smallest that 95%"),
        (
            (200, 40.5),
            "Recommended for a new data folder: ring_entries = 252, the largest there is.",
        ),
        ((1, 5), "No recommendation yet"),
    ],
)
def test_recommendation_is_said(
    came: tuple[int, float], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    events, days = came
    history = heard(events, days=days)
    source = Source("here", {"source": "data"}, ring_sizes=ring_sizes(history, [POLICY]))
    outcomes = play(history, [Candidate("ninety", POLICY)])
    print_outcomes(outcomes, history, source)
    assert text in " ".join(capsys.readouterr().out.split())
    said = outcome_json(outcomes[0], history, source)["history"]
    assert isinstance(said, dict)
    assert said["recommended_ring_entries"] == best(history)
