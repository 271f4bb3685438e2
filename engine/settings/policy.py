"""What decides when a number of a pool is clean: policies, pools and feeds, with their bounds.

These are the control plane's own objects. `writing.pyx` publishes them to the segment, where the
data plane reads them; `reading.pyx` reads them back.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Protocol

from ringfence.engine.memory.layout import POOLS_MAX
from ringfence.engine.words import EventKind, Measure

DAY_S = 86_400
WINDOW_S_MAX = 400 * DAY_S
QUIET_PERIOD_S_MAX = 400 * DAY_S
AGE_S_MAX = 3_650 * DAY_S
RULES_MAX = 8
POOL_FEEDS_MAX = 16
COVERAGE_MAX_OF_FEEDS = 0.999  # of feeds that are required: the newest seconds are not yet claimed
DESCRIPTION_CHARS_MAX = 500
SILENCE_S_MIN, SILENCE_S_MAX = 5, DAY_S
SILENCE_S = 120
SPRAY_NUMBERS_MIN, SPRAY_NUMBERS_MAX = 2, 8  # as many calls as are kept of a caller
SPRAY_CALLERS_LEAST, SPRAY_CALLERS_MOST = 16, 1 << 24  # a bucket; as many as there are marks
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class SettingError(ValueError):
    """A setting is out of its bounds: `field` names it, the text adds value and bound."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


@dataclass(frozen=True, slots=True)
class Rule:
    """More than `limit` of `measure` within `window_s` seconds breaks the rule."""

    measure: Measure
    window_s: int
    limit: int
    kinds: frozenset[EventKind] = frozenset()  # none = every kind


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and ages that decide when a number of a pool is clean."""

    name: str
    rules: tuple[Rule, ...]
    minimum_age_s: int = 0
    maximum_age_s: int | None = None
    quiet_period_s: int = 0
    minimum_coverage: float = 0.0
    description: str = ""
    revision: int = 0

    def check(self, ring_entries: int) -> None:
        """Raises SettingError for the first field out of bounds, for rings of that many entries."""
        check_name("name", self.name)
        _check_text("description", self.description)
        _check_range("rules", len(self.rules), 1, RULES_MAX)
        for index, rule in enumerate(self.rules):
            _check_range(f"rules[{index}].window", rule.window_s, 1, WINDOW_S_MAX, " s")
            most = ring_entries // 2 if rule.measure == Measure.REPEAT_CALLERS else ring_entries
            _check_range(f"rules[{index}].limit", rule.limit, 0, most - 1)
        _check_range("minimum_age", self.minimum_age_s, 0, AGE_S_MAX, " s")
        if self.maximum_age_s is not None:
            _check_range("maximum_age", self.maximum_age_s, 1, AGE_S_MAX, " s")
        _check_range("quiet_period", self.quiet_period_s, 0, QUIET_PERIOD_S_MAX, " s")
        if not 0.0 <= self.minimum_coverage <= 1.0:
            raise SettingError("minimum_coverage", f"value={self.minimum_coverage}, bound=0 to 1")


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of interchangeable numbers handed out from one queue."""

    name: str
    policy: str
    required_feeds: tuple[str, ...] = ()  # none = always covered
    description: str = ""
    revision: int = 0

    def check(self) -> None:
        """Raises SettingError for the first field out of bounds."""
        _check_pool(self)


@lru_cache(POOLS_MAX)
def _check_pool(pool: Pool) -> None:
    """Once for each: all that there are, are published again when one of them changes."""
    check_name("name", pool.name)
    check_name("policy", pool.policy)
    _check_text("description", pool.description)
    _check_range("required_feeds", len(pool.required_feeds), 0, POOL_FEEDS_MAX)
    for index, feed in enumerate(pool.required_feeds):
        check_name(f"required_feeds[{index}]", feed)
    if len(set(pool.required_feeds)) < len(pool.required_feeds):
        raise SettingError("required_feeds", "value=one feed twice, bound=each once")


def check_reachable(policy: Policy, pool: Pool) -> None:
    """Raises SettingError if the pool requires feeds and the policy more than they can cover."""
    if pool.required_feeds and policy.minimum_coverage > COVERAGE_MAX_OF_FEEDS:
        raise SettingError(
            "minimum_coverage",
            f"value={policy.minimum_coverage}, bound=0 to {COVERAGE_MAX_OF_FEEDS} where feeds are"
            f" required, as pool {pool.name!r} does",
        )


@dataclass(frozen=True, slots=True)
class Feed:
    """A registered sender of events and the time it has covered: ascending [begin, end).

    A segment knows name, registration, coverage and watermark of it, and not the rest.
    """

    name: str
    covered: tuple[tuple[int, int], ...] = field(default=())
    watermark: int = 0  # where its next claim begins if it does not say; 0 = nothing is held
    silence_max_s: int = SILENCE_S
    description: str = ""
    revision: int = 0
    registration: int = 0  # which of all there ever were; 0 = of before these were counted

    @property
    def bounds(self) -> array[int]:
        """What it has covered, as a segment has it; raises SettingError."""
        try:
            return array("I", chain.from_iterable(self.covered))
        except OverflowError:
            raise SettingError("feeds.covered", f"value={self.covered}, bound=32 bits") from None

    def check(self) -> None:
        """Raises SettingError for the first field out of bounds; coverage is not looked at."""
        check_name("name", self.name)
        _check_range("silence_max", self.silence_max_s, SILENCE_S_MIN, SILENCE_S_MAX, " s")
        _check_text("description", self.description)


class Covered(Protocol):
    """What a feed has covered, as it is published."""

    @property
    def bounds(self) -> array[int]:
        """Begin, end, begin, end, ascending: unix seconds in 32 bits, of type "I"."""

    @property
    def watermark(self) -> int:
        """Where its next claim begins if it does not say; 0 = nothing is held."""


class CoveredFeed(Covered, Protocol):
    """A feed, as far as it is published."""

    @property
    def name(self) -> str:
        """By which it sends."""

    @property
    def registration(self) -> int:
        """Which of all there ever were; 0 = of before these were counted."""


@dataclass(frozen=True, slots=True)
class Spray:
    """What makes a caller a spray caller, for a whole installation."""

    numbers: int
    """Distinct quarantined numbers called within some `window_s` seconds; 0 = switched off."""
    window_s: int
    callers: int = 1 << 20
    """Of which the newest calls are kept, 72 bytes each: a power of two; 0 = of none."""
    spray_callers_max: int = 131_072
    """As many are known at most; the 2**24th part of that share of other callers is taken for one
    of them."""

    def check(self) -> None:
        """Raises SettingError for the first field out of bounds."""
        if self.numbers:
            _check_range("numbers", self.numbers, SPRAY_NUMBERS_MIN, SPRAY_NUMBERS_MAX)
        _check_range("window", self.window_s, 1, WINDOW_S_MAX, " s")
        if (self.callers or self.numbers) and (
            not SPRAY_CALLERS_LEAST <= self.callers <= SPRAY_CALLERS_MOST
            or self.callers & (self.callers - 1)
        ):
            raise SettingError(
                "callers",
                f"value={self.callers}, bound=a power of two, {SPRAY_CALLERS_LEAST} to"
                f" {SPRAY_CALLERS_MOST}",
            )
        _check_range("spray_callers_max", self.spray_callers_max, 1, SPRAY_CALLERS_MOST)


NO_SPRAY = Spray(numbers=0, window_s=1, callers=0)


def check_name(field: str, name: str) -> None:
    """Raises SettingError unless `name` can name a feed, pool or policy."""
    if not NAME.fullmatch(name):
        raise SettingError(field, f"value={name[:80]!r}, bound={NAME.pattern}")


def _check_text(field: str, text: str) -> None:
    if len(text) > DESCRIPTION_CHARS_MAX:
        raise SettingError(field, f"value={len(text)} characters, bound={DESCRIPTION_CHARS_MAX}")


def _check_range(field: str, value: int, least: int, most: int, unit: str = "") -> None:
    if not least <= value <= most:
        raise SettingError(field, f"value={value}{unit}, bound={least} to {most}{unit}")
