"""Histories of a few numbers and events, to be played by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ringfence.engine.settings.policy import DAY_S, Policy, Rule
from ringfence.engine.words import EventKind, Measure
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.history import Heard, Numbers
from ringfence.simulation.ledger import NEVER
from ringfence.simulation.player import CalendarPlayer, EnginePlayer
from ringfence.simulation.recorded import Columns, RecordedHistory, first_copies, places_of

BEGAN = 1_767_225_600  # 2026-01-01 00:00 UTC
NUMBERS = list(range(447700900000, 447700900100))
FRIEND, BANK, COLLECTOR_CALLER = 441632960001, 1 << 63, 441632960003
ROBOTS = list(range(442079460000, 442079460100))
AGE_S = 10 * DAY_S


def at(day: float, hour: float = 0, second: int = 0) -> int:
    """The moment so long after the beginning."""
    return BEGAN + int(day * DAY_S + hour * 3_600) + second


@dataclass(frozen=True)
class Quarantined:
    """One number of a history."""

    number: int
    since: int = at(0, 12)
    reason: int = 0
    background_only: bool = False


@dataclass(frozen=True)
class Call:
    """One event of a history."""

    called: int
    occurred_at: int
    caller: int = FRIEND
    was: int = 0
    kind: EventKind = EventKind.CALL
    arrived_at: int = 0  # 0 = when it occurred


def make_history(
    numbers: Sequence[Quarantined],
    calls: Sequence[Call],
    *,
    days: float,
    knows_classes: bool = True,
) -> RecordedHistory:
    """Such a history from BEGAN on; numbers ascend."""
    number = np.array([each.number for each in numbers], np.uint64)
    since = np.array([each.since for each in numbers], np.uint32)
    calls = sorted(calls, key=lambda call: call.arrived_at or call.occurred_at)
    heard = Heard(
        np.array([call.called for call in calls], np.uint64),
        np.array([call.caller for call in calls], np.uint64),
        np.array([call.occurred_at for call in calls], np.uint32),
        np.array([call.kind for call in calls], np.int32),
    )
    return RecordedHistory(
        Numbers(
            number,
            since,
            since,
            np.array([each.reason for each in numbers], np.uint8),
            np.array([each.background_only for each in numbers], np.bool_),
        ),
        Columns(
            places_of(number, heard.called),
            heard.occurred_at,
            np.array([call.arrived_at or call.occurred_at for call in calls], np.uint32),
            np.array([call.was for call in calls], np.uint8),
            first_copies(heard.called, heard.caller, heard.occurred_at, heard.kind),
        ),
        lambda part: Heard(
            heard.called[part], heard.caller[part], heard.occurred_at[part], heard.kind[part]
        ),
        ends_at=at(days),
        knows_classes=knows_classes,
    )


def rule_policy(
    measure: Measure, *, window_days: int, limit: int = 0, name: str = "one-rule"
) -> Policy:
    """A policy of one rule and a minimum age of AGE_S."""
    return Policy(name, (Rule(measure, window_days * DAY_S, limit),), minimum_age_s=AGE_S)


def released_at(history: RecordedHistory, candidate: Candidate | Calendar) -> list[int | None]:
    """When a candidate releases each number."""
    player = played(history, candidate)
    return [None if moment == NEVER else int(moment) for moment in player.ledger.released_at]


def played(
    history: RecordedHistory, candidate: Candidate | Calendar
) -> CalendarPlayer | EnginePlayer:
    """The player of a candidate, at the end of the history."""
    player: CalendarPlayer | EnginePlayer
    if isinstance(candidate, Calendar):
        player = CalendarPlayer(history, candidate)
    else:
        player = EnginePlayer(history, candidate)
    for day in history.days():
        player.play(day)
    return player
