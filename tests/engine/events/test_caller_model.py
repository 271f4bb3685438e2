"""The caller table equals its plain model after any events, however they are cut into batches.

RINGFENCE_EXAMPLES asks for a longer run.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.caller_model import CallerModel
from support.robots import CALLED, LATER, decisions, robot_table, robots_of, told_apart, week_spray
from support.siphash import caller_mark
from support.small_table import KEY, START, Event, take

from ringfence.engine.settings.policy import Spray
from ringfence.engine.words import EventKind

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "25"))
NUMBERS = told_apart(CALLED, 10)
CALLERS = [0, *range(441632960000, 441632960039)]  # more than a bucket has room for

times = st.integers(1, 60)
sprays = st.builds(
    Spray, st.integers(2, 8), st.integers(1, 60), st.sampled_from([16, 16, 16, 32, 1024])
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of few callers, or of many, at times that rise or at any."""
    callers = draw(st.sampled_from([CALLERS[:4], CALLERS[:18], CALLERS]))
    event = st.tuples(
        st.sampled_from(NUMBERS),
        st.sampled_from(callers),
        times,
        st.sampled_from([*EventKind, EventKind.CALL, EventKind.CALL, EventKind.CALL]),
    )
    events = draw(st.lists(event, max_size=150))
    if draw(st.booleans()):
        events.sort(key=lambda event: event[2])
    return [(number, caller, START + time, kind) for number, caller, time, kind in events]


def batches_of(events: list[Event], cuts: list[int]) -> list[list[Event]]:
    """The events in batches of these sizes, again and again."""
    batches: list[list[Event]] = []
    at = 0
    while at < len(events):
        size = cuts[len(batches) % len(cuts)]
        batches.append(events[at : at + size])
        at += size
    return batches


cuts = st.lists(st.integers(1, 100), min_size=1, max_size=5)


@settings(max_examples=EXAMPLES, deadline=None)
@given(spray=sprays, events=histories(), sizes=cuts)
def test_map_and_decisions_equal_the_models(
    spray: Spray, events: list[Event], sizes: list[int]
) -> None:
    table, model = robot_table(spray), CallerModel(spray)
    for batch in batches_of(events, sizes):
        expected = [
            model.accept(caller_mark(KEY, caller), number, time, kind)
            for number, caller, time, kind in batch
        ]
        assert decisions(take(table.engine, batch, LATER)) == expected
        assert robots_of(table.segment) == model.robots
        assert table.segment.spray_callers == len(model.robots)


@settings(max_examples=EXAMPLES, deadline=None)
@given(spray=sprays, events=histories(), sizes=cuts, others=cuts)
def test_cuts_between_batches_make_no_difference(
    spray: Spray, events: list[Event], sizes: list[int], others: list[int]
) -> None:
    taken, tables = [], []
    for each in (sizes, others):
        table = robot_table(spray)
        taken.append(b"".join(take(table.engine, b, LATER).taken for b in batches_of(events, each)))
        tables.append((robots_of(table.segment), table.rings(), table.segment.counters()[0].spray))
    assert taken[0] == taken[1]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("seed", range(3))
def test_full_bucket_lets_the_caller_go_that_was_silent_for_longest(seed: int) -> None:
    table = robot_table(week_spray(callers=16))
    others = CALLERS[2:17]  # with the first one as many as there is room for
    first, newcomer = CALLERS[1], CALLERS[18]

    def call(caller: int, numbers: list[int], after_s: int) -> bool:
        events = [(number, caller, START + after_s, EventKind.CALL) for number in numbers]
        return decisions(take(table.engine, events, LATER))[-1]

    assert not call(first, NUMBERS[:7], 1)
    for caller in others:
        assert not call(caller, NUMBERS[:7], 2)
    assert not call(newcomer, NUMBERS[:7], 3)  # in the place of the first
    assert call(others[seed], NUMBERS[7:8], 4)
    assert not call(newcomer, NUMBERS[:7], 5)
    assert not call(CALLERS[19], NUMBERS[:7], 1)  # is nobody's turn: all others called later
    assert call(newcomer, NUMBERS[7:8], 6)
    assert not call(first, NUMBERS[7:8], 7)  # whose seven are forgotten
