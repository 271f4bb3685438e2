"""The specification as a program: what Ringfence must say, in dicts, lists and integers.

Dumb on purpose: nothing is fast, nothing is kept that can be computed again, every rule is written
once, in the order of the numbered steps of the rules. The engine is compared with it after every
step (engine/verdict/test_machine.py); where they differ, one of them misreads the rules.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from support.caller_model import SPRAY_KINDS, CallerModel
from support.siphash import caller_mark

from ringfence.engine.settings.policy import NO_SPRAY, Feed, Policy, Pool, Rule, Spray
from ringfence.engine.words import EventKind, Measure, State, Verdict

TRACKED = {State.QUARANTINED, State.HELD, State.RESERVED}
AHEAD_S_MAX = 300
TIME_MAX = 2**32 - 1


def time_of(entry: int) -> int:
    """When the event of an entry happened."""
    return entry >> 32


def mark_of(entry: int) -> int:
    """The caller mark of an entry."""
    return entry >> 8 & 0xFFFFFF


def kind_of(entry: int) -> EventKind:
    """The kind of an entry."""
    return EventKind(entry & 0xFF)


def greatest(entries: set[int], ring_entries: int) -> set[int]:
    """What a ring keeps of all the entries that it was given, in whatever order."""
    return set(sorted(entries)[-ring_entries:])


def measure(rule: Rule, entries: Iterable[int]) -> int:
    """What the rule's measure is over these entries."""
    counts = Counter(mark_of(entry) for entry in entries)
    if rule.measure == Measure.EVENTS:
        return sum(counts.values())
    if rule.measure == Measure.CALLERS:
        return len(counts)
    return sum(1 for mark, count in counts.items() if mark != 0 and count >= 2)


def longest_window_s(policy: Policy) -> int:
    """The longest window of its rules in seconds."""
    return max(rule.window_s for rule in policy.rules)


@dataclass
class Record:
    """One number as commands and events left it."""

    state: State
    pool: int
    quarantined_at: int
    observed_since: int
    since: int = 0
    override_at: int = 0
    events_total: int = 0
    ring: set[int] = field(default_factory=set)


@dataclass
class Answer:
    """All that can be said of a number at a time."""

    verdict: Verdict
    clean_at: int
    expected_at: int
    overridden: bool
    overdue: bool
    coverage: float
    rules: list[tuple[int, bool, bool]]  # value, broken, saturated
    recent: list[tuple[int, EventKind, int, bool]]  # time, kind, caller tag, spray; newest first


class Oracle:
    """The table of one installation, as a dict of records."""

    def __init__(self, ring_entries: int, caller_key: bytes, spray: Spray = NO_SPRAY) -> None:
        self.ring_entries = ring_entries
        self.caller_key = caller_key
        self.records: dict[int, Record] = {}
        self.policies: list[Policy] = []
        self.pools: list[Pool] = []
        self.feeds: list[Feed] = []
        self.callers = CallerModel(spray)
        self.spray = self.callers.robots  # marks

    def is_spray(self, mark: int, kind: int) -> bool:
        """Whether an event of this caller and kind is a spray caller's."""
        return mark != 0 and mark in self.spray and kind in SPRAY_KINDS

    def insert(self, called: int, caller: int, occurred_at: int, kind: int, now: int) -> str:
        """Takes one event in; says what became of it."""
        if not 10**6 <= called < 10**15 or not 1 <= kind <= 6:
            return "rejected"
        if occurred_at == 0 or occurred_at > now + AHEAD_S_MAX:
            return "rejected"
        record = self.records.get(called)
        if not record or record.state not in TRACKED or occurred_at < record.quarantined_at:
            return "untracked"
        record.events_total += 1
        mark = caller_mark(self.caller_key, caller)
        if not self.callers.accept(mark, called, occurred_at, kind):
            entry = occurred_at << 32 | mark << 8 | kind
            record.ring = greatest(record.ring | {entry}, self.ring_entries)
        return "accepted"

    def counted(self, record: Record, rule: Rule, begin: int, end: int) -> list[int]:
        """The entries that the rule counts with begin < time <= end."""
        return [
            entry
            for entry in sorted(record.ring)
            if (not rule.kinds or kind_of(entry) in rule.kinds)
            and begin < time_of(entry) <= end
            and time_of(entry) >= record.quarantined_at
            and not self.is_spray(mark_of(entry), kind_of(entry))
        ]

    def last_violation(self, record: Record, rule: Rule, t: int) -> tuple[int, int] | None:
        """When the rule was last violated, and when its measure was back within the limit."""

        def value(moment: int) -> int:  # entries later than t are not looked at
            return measure(rule, self.counted(record, rule, moment - rule.window_s, min(moment, t)))

        times = [time_of(entry) for entry in self.counted(record, rule, -1, t)]
        violations = [time for time in times if value(time) > rule.limit]
        if not violations:
            return None
        last = max(violations)
        moments = sorted({last + 1} | {time + rule.window_s for time in times})
        back = next(m for m in moments if m > last and value(m) <= rule.limit)
        return last, back

    def observed_since(self, record: Record) -> int:
        """From when its events are known: a whole number of hours after quarantined_at."""
        late_h = -(-(record.observed_since - record.quarantined_at) // 3600)
        return record.quarantined_at + late_h * 3600

    def reach_s(self, record: Record) -> int:
        """How far back a verdict looks."""
        _, policy = self.settings(record)
        return longest_window_s(policy) + policy.quiet_period_s

    def listened(self, record: Record) -> list[tuple[tuple[int, int], ...]]:
        """What each of the feeds has covered that its pool requires."""
        pool, _ = self.settings(record)
        return [feed.covered for feed in self.feeds if feed.name in pool.required_feeds]

    def coverage(self, record: Record, t: int, now: int) -> float:
        """The share of the time that matters in which all required feeds were covered; the time
        from now to t is covered. Before observed_since nothing is.
        """
        begin = max(record.quarantined_at, t - self.reach_s(record))
        if begin >= t:
            return 1.0
        observed_since, required = self.observed_since(record), self.listened(record)
        edges = {edge for covered in required for interval in covered for edge in interval}
        edges |= {begin, t, now, observed_since}
        covered_s = 0
        for a, b in pairwise(sorted(edge for edge in edges if begin <= edge <= t)):
            heard = all(any(x <= a and b <= y for x, y in covered) for covered in required)
            if a >= observed_since and (heard or a >= now):
                covered_s += b - a
        return covered_s / (t - begin)

    def first_clean(
        self, record: Record, start: int, now: int, is_clean: Callable[[int], bool]
    ) -> int:
        """The first moment from start on that is clean, where only coverage can be wanting.

        The share of the time that is covered turns only when the beginning or the end of that time
        meets a moment at which something begins or ends; in between it grows, falls or stays.
        """
        ends = {edge for covered in self.listened(record) for spell in covered for edge in spell}
        ends |= {record.quarantined_at, self.observed_since(record), now}
        turns = {start} | ends | {end + self.reach_s(record) for end in ends}
        before = start
        for turn in sorted(turn for turn in turns if turn >= start):
            if is_clean(turn):
                return before + bisect_left(range(before, turn), True, key=is_clean)
            before = turn
        raise AssertionError("once all that was missed is out of reach it is clean")

    def settings(self, record: Record) -> tuple[Pool, Policy]:
        """The pool of a number and the policy of that pool."""
        pool = self.pools[record.pool]
        return pool, next(policy for policy in self.policies if policy.name == pool.policy)

    def recent(self, entries: list[int]) -> list[tuple[int, EventKind, int, bool]]:
        """The entries as a person reads them: callers are tagged 1, 2, 3 ... as they appear."""
        tags = {0: 0}
        return [
            (
                time_of(entry),
                kind_of(entry),
                tags.setdefault(mark_of(entry), len(tags)),
                self.is_spray(mark_of(entry), kind_of(entry)),
            )
            for entry in entries
        ]

    def answer(self, number: int, t: int, now: int) -> Answer | None:
        """All that can be said of a number at time t; None when it is not in the table."""
        record = self.records.get(number)
        if record is None or record.state == State.FREE:
            return None
        q, (_, policy) = record.quarantined_at, self.settings(record)
        entries = sorted((e for e in record.ring if q <= time_of(e) <= t), reverse=True)
        oldest = time_of(min(record.ring, default=0))
        full = len(record.ring) == self.ring_entries and oldest >= q

        violations = [self.last_violation(record, rule, t) for rule in policy.rules]
        clean_at = q + policy.minimum_age_s
        for last, back in filter(None, violations):
            clean_at = max(clean_at, last + policy.quiet_period_s, back)
        if full:
            clean_at = max(clean_at, oldest + self.reach_s(record))

        def rules_at(u: int) -> list[tuple[int, bool, bool]]:  # no entry later than t is looked at
            found = []
            for rule in policy.rules:
                value = measure(rule, self.counted(record, rule, u - rule.window_s, t))
                saturated = full and oldest > u - (rule.window_s + policy.quiet_period_s)
                found.append((value, value > rule.limit or saturated, saturated))
            return found

        o = record.override_at
        overridden = 0 < o <= t and not any(o <= time_of(entry) for entry in entries)

        def evidence_at(u: int) -> Verdict:  # of some u >= t, as far as is known at t
            loud = any(found and u < found[0] + policy.quiet_period_s for found in violations)
            if loud or any(broken for _, broken, _ in rules_at(u)):
                return Verdict.NOISY
            if u < q + policy.minimum_age_s:
                return Verdict.AGING
            if self.coverage(record, u, now) < policy.minimum_coverage:
                return Verdict.UNOBSERVED
            return Verdict.CLEAN

        expected_at = t
        if t < q:
            verdict = Verdict.UNTRACKED
        elif record.state in {State.RETIRED, State.ASSIGNED, State.HELD}:
            verdict = Verdict[record.state.name]
        elif record.state == State.RESERVED and record.since > t:
            verdict = Verdict.RESERVED
        elif overridden:
            verdict, clean_at = Verdict.CLEAN, o
        else:
            verdict = evidence_at(t)
            expected_at = self.first_clean(
                record, max(t, clean_at), now, lambda u: evidence_at(u) == Verdict.CLEAN
            )
        dated = {Verdict.CLEAN, Verdict.AGING, Verdict.NOISY, Verdict.UNOBSERVED}
        settled = {Verdict.CLEAN, Verdict.RESERVED, Verdict.ASSIGNED, Verdict.RETIRED}
        age_max_s = policy.maximum_age_s
        return Answer(
            verdict=verdict,
            clean_at=min(clean_at, TIME_MAX) if verdict in dated else 0,
            expected_at=min(expected_at, TIME_MAX) if verdict in dated else 0,
            overridden=overridden,
            overdue=age_max_s is not None and q + age_max_s <= t and verdict not in settled,
            coverage=self.coverage(record, t, now),
            rules=rules_at(t),
            recent=self.recent(entries),
        )
