"""The policies that the frontier compares: how many events, who tried twice, for how long."""

from dataclasses import replace

from ringfence.engine.settings.policy import DAY_S, NO_SPRAY, Policy, Rule, Spray
from ringfence.engine.words import EventKind, Measure
from ringfence.server.config.config import load_config
from ringfence.server.config.duration import format_duration
from ringfence.simulation.candidate import Calendar, Candidate

MINIMUM_AGE_S = 90 * DAY_S
MONTH_S = 30 * DAY_S
COUNT_LIMITS = (0, 1, 2, 3, 5, 8, 11)
WINDOWS_DAYS = (30, 60, 90, 120, 150, 180, 240)

CALENDAR = Calendar("calendar, 90 d", MINIMUM_AGE_S)
LONG_CALENDAR = Calendar("calendar, 180 d", 2 * MINIMUM_AGE_S)


WEEK = 7 * DAY_S


def spray_for(numbers: int, *, window_s: int | None = None) -> Spray:
    """The default settings of an installation with room for so many numbers, or another window."""
    spray = load_config(None, capacity_numbers=numbers).spray_settings
    return spray if window_s is None else replace(spray, window_s=window_s)


def count_only(limit: int, ring_entries: int, spray: Spray = NO_SPRAY) -> Candidate:
    """A plain count over 30 days: what a threshold on a dashboard would do."""
    rules = (Rule(Measure.EVENTS, MONTH_S, limit),)
    policy = Policy(f"count-{limit}", rules, minimum_age_s=MINIMUM_AGE_S)
    name = f"more than {limit} events in 30 d; {_said(spray)}"
    return Candidate(name, policy, ring_entries, spray)


def repeat_callers(
    window_days: int, ring_entries: int, spray: Spray, *, events_limit: int | None = None
) -> Candidate:
    """The default policy's rules over another window, and a limit of all events in 30 days."""
    window_s = window_days * DAY_S
    rules: tuple[Rule, ...] = (
        Rule(Measure.REPEAT_CALLERS, window_s, 0),
        Rule(Measure.EVENTS, window_s, 0, frozenset({EventKind.A2P_SMS})),
    )
    more = ""
    if events_limit is not None:
        rules += (Rule(Measure.EVENTS, MONTH_S, events_limit),)
        more = f", more than {events_limit} events in 30 d"
    policy = Policy(f"repeat-{window_days}d", rules, minimum_age_s=MINIMUM_AGE_S)
    name = f"repeat callers, {window_days} d{more}; K = {ring_entries}; {_said(spray)}"
    return Candidate(name, policy, ring_entries, spray)


def shipped(numbers: int, *, robots: bool = True) -> Candidate:
    """The default policy in the rings that ship with it, as it ships or without robots."""
    config = load_config(None, capacity_numbers=numbers)
    ring_entries = config.server.ring_entries
    spray = config.spray_settings if robots else NO_SPRAY
    name = f"**default**, K = {ring_entries}; {_said(spray)}"
    return Candidate(name, config.policies[0], ring_entries, spray)


def _said(spray: Spray) -> str:
    if not spray.numbers:
        return "no robots"
    return f"robots: {spray.numbers} in {format_duration(spray.window_s)}"
