"""A table that is driven through the engine and through the oracle at once, by any history.

Few numbers, few callers and tight time ranges on purpose: violations, ties and displaced entries
are the rule here and not the exception.
"""

import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracle import AHEAD_S_MAX, TIME_MAX, TRACKED, Answer, Oracle, Record, longest_window_s

from ringfence.engine.answers import Explanation
from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import NO_SPRAY, Feed, Policy, Pool, Rule, Spray
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.table.header_rows import states_of
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.words import DisconnectReason, EventKind, Measure, State, Verdict
from support.engine import Engine
from support.feed_model import union
from support.robots import robots_of

KEY = bytes(range(100, 116))
NUMBERS = [447700900000, 447700900001, 447700900999]
UNKNOWN = 447700900500
CALLERS = [0, 441632960001, 441632960002, 441632960003, 2**63 | 7, 10**15]
UNITS_S = [1, 20, 900, 86_400]  # what the grid of times is made of
NOTHING = Verdict.UNTRACKED, [0, 0]
QUARANTINED_AT = 16  # of a record; see record.h
GRID = 120  # units from START that histories play in

numbers = st.sampled_from(NUMBERS)
kinds = st.sampled_from(list(EventKind))
grid = st.integers(0, GRID)
nudges = st.sampled_from([0, 0, 0, -1, 1])
observed_after = st.sampled_from([0, 0, 1, 3600, 3601, 10_000])


@st.composite
def policies(draw: st.DrawFn, name: str, unit: int, ring_entries: int) -> Policy:
    """A policy whose windows and limits are small enough to be broken often."""
    rules = []
    generous = draw(st.integers(0, 2)) == 0  # only a full ring makes a number noisy
    for _ in range(draw(st.integers(1, 3))):
        measure = draw(st.sampled_from(list(Measure)))
        most = (ring_entries // 2 if measure == Measure.REPEAT_CALLERS else ring_entries) - 1
        limit = min(most, draw(st.integers(0, 3) | st.integers(0, ring_entries - 1)))
        limit = most if generous else limit
        window_s = max(1, draw(st.integers(1, 40)) * unit + draw(nudges))
        rules.append(Rule(measure, window_s, limit, draw(st.just(frozenset()) | kind_sets)))
    return Policy(
        name=name,
        rules=tuple(rules),
        minimum_age_s=draw(st.integers(0, 40)) * unit,
        maximum_age_s=draw(st.none() | st.integers(1, GRID).map(lambda units: units * unit)),
        quiet_period_s=draw(st.just(0) | st.integers(0, 30).map(lambda units: units * unit)),
        minimum_coverage=draw(st.sampled_from([0.0, 0.5, 0.95, 1.0]) | st.floats(0, 1)),
    )


kind_sets = st.frozensets(kinds, max_size=3)


@st.composite
def feeds(draw: st.DrawFn, name: str, start: int, unit: int) -> Feed:
    """A feed that covered some of the time; its claims may touch each other."""
    edges = sorted(draw(st.sets(st.integers(-20, GRID + 20), max_size=12)))
    times = [min(TIME_MAX, max(0, start + edge * unit)) for edge in edges]
    claims = [claim for claim in pairwise(times) if draw(st.booleans()) and claim[0] < claim[1]]
    return Feed(name, tuple(claims))


def sprays(unit: int) -> st.SearchStrategy[Spray]:
    """Who is a spray caller: who calls 2 or 3 numbers within a few units, or nobody."""
    windows_s = st.integers(1, 40).map(lambda units: units * unit)
    return st.just(NO_SPRAY) | st.builds(Spray, st.integers(2, 3), windows_s, st.just(1024))


class EngineMachine(RuleBasedStateMachine):
    """One table, driven through the engine and through the oracle at once."""

    capacity_numbers = 16

    def __init__(self) -> None:
        super().__init__()
        self.segment: Segment | None = None

    @initialize(
        ring_entries=st.sampled_from([12, 12, 12, 12, 28, 28, 28, 60, 124, 252]),
        unit=st.sampled_from(UNITS_S),
        era=st.sampled_from(["today", "today", "today", "first", "last"]),
        data=st.data(),
    )
    def begin(self, ring_entries: int, unit: int, era: str, data: st.DataObject) -> None:
        last = TIME_MAX - 30 * unit - AHEAD_S_MAX - 1
        self.start = {"today": 1_700_000_000, "first": 40, "last": last}[era]
        self.unit = unit
        self.now = self.start
        spray = data.draw(sprays(unit))
        self.segment = new_segment(
            None,
            capacity_numbers=self.capacity_numbers,
            ring_entries=ring_entries,
            spray=spray,
        )
        self.writer = TableWriter(self.segment)
        self.engine = Engine(self.segment, caller_key=KEY)
        self.oracle = Oracle(ring_entries, KEY, spray)
        self.publish(data)
        for number in NUMBERS[:2]:
            self.quarantine(number, data.draw(st.integers(0, 2)), 0, data.draw(observed_after))
        self.wait(20, 0)
        for number in NUMBERS[:2]:
            times = data.draw(st.lists(st.integers(0, 20), max_size=min(ring_entries, 60) + 2))
            rows = [
                (number, CALLERS[at % 4], self.now - time * unit, 1 + at % 6)
                for at, time in enumerate(times)
            ]
            self.insert_rows(rows)

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """Replaces policies, pools and what the feeds have covered."""
        ring_entries = self.oracle.ring_entries
        names = ["east", "west", "north"]
        self.oracle.feeds = [data.draw(feeds(name, self.start, self.unit)) for name in names]
        self.oracle.policies = [
            data.draw(policies(name, self.unit, ring_entries)) for name in ("strict", "mild")
        ]
        self.oracle.pools = [
            Pool("plain", data.draw(st.sampled_from(["strict", "mild"]))),
            Pool("one-feed", "strict", ("west",)),
            Pool("all-feeds", "mild", tuple(data.draw(st.permutations(names)))),
        ]
        publish_settings(
            self.writer.segment, self.oracle.policies, self.oracle.pools, self.oracle.feeds
        )

    @rule(
        which=st.integers(0, 2),
        begin=st.integers(-20, GRID),
        units=st.integers(0, 60),
        nudge=nudges,
        past=st.booleans(),
    )
    def claim(self, which: int, begin: int, units: int, nudge: int, past: bool) -> None:
        """A feed claims some time, or all that has passed: its coverage is published alone."""
        end = self.now if past else self.start + (begin + units) * self.unit + nudge
        claimed = (max(0, self.start + begin * self.unit), min(max(0, end), TIME_MAX))
        feed = self.oracle.feeds[which]
        if claimed[0] < claimed[1]:
            feed = replace(feed, covered=tuple(union([*feed.covered, claimed])))
        self.oracle.feeds[which] = feed
        publish_coverage(self.writer.segment, {which: feed})

    @rule(
        number=numbers,
        pool=st.integers(0, 2),
        ago=st.integers(0, 10),
        observed_after_s=observed_after,
    )
    def quarantine(self, number: int, pool: int, ago: int, observed_after_s: int) -> None:
        """Puts a number into quarantine, now or a little in the past."""
        quarantined_at = max(self.start, self.now - ago * self.unit)
        quarantined_at = max(quarantined_at, self.earliest_quarantine(number))
        if quarantined_at > self.now:
            return  # its former life is not over
        observed_since = min(TIME_MAX, quarantined_at + observed_after_s)
        self.writer.quarantine(
            np.array([number], np.uint64),
            pool=pool,
            quarantined_at=np.array([quarantined_at], np.uint32),
            observed_since=np.array([observed_since], np.uint32),
            reason=np.array([DisconnectReason.INACTIVITY], np.uint8),
            now=self.now,
        )
        record = self.oracle.records.get(number)
        if record is None or record.state not in TRACKED:
            self.oracle.records[number] = Record(
                State.QUARANTINED, pool, quarantined_at, observed_since
            )

    def earliest_quarantine(self, number: int) -> int:
        """From when on a number may be quarantined."""
        return self.writer.earliest_quarantine(number)

    @precondition(lambda self: self.now < self.start + GRID * self.unit)
    @rule(units=st.integers(0, 12), nudge=nudges)
    def wait(self, units: int, nudge: int) -> None:
        """Lets time pass."""
        later = self.now + units * self.unit + nudge
        self.now = min(max(self.start, later), TIME_MAX - AHEAD_S_MAX - 1)

    @rule(
        events=st.lists(
            st.tuples(
                st.sampled_from([*NUMBERS, NUMBERS[0], UNKNOWN, 999_999, 10**15, 2**60]),
                st.sampled_from(CALLERS),
                st.tuples(st.sampled_from(["grid", "now", "now"]), grid, nudges),
                st.integers(1, 6) | st.sampled_from([0, 7, -1, 2**31 - 1, 257]),
            ),
            max_size=40,
        )
    )
    def insert(self, events: list[tuple[int, int, tuple[str, int, int], int]]) -> None:
        """A batch: late, future and impossible events among ordinary ones."""
        rows = []
        for number, caller, (anchor, units, nudge), kind in events:
            time = self.start + units * self.unit if anchor == "grid" else self.now - units % 7
            rows.append((number, caller, min(max(0, time + nudge), TIME_MAX), kind))
        self.insert_rows(rows)

    @rule(
        number=numbers,
        caller=st.sampled_from(CALLERS),
        kind=kinds,
        ages_s=st.builds(
            lambda count, gap_s, times: [i * gap_s for i in range(count)] * times,
            st.integers(1, 30),
            st.sampled_from([0, 1, 2, 7, 61]),
            st.integers(1, 2),
        ),
    )
    def burst(self, number: int, caller: int, kind: int, ages_s: list[int]) -> None:
        """One caller, again and again, newest first: it fills rings."""
        self.insert_rows([(number, caller, max(1, self.now - age), kind) for age in ages_s])

    @rule(
        number=numbers,
        more=st.integers(-3, 20),
        gap_s=st.sampled_from([0, 1, 2, 61]),
        swapped=st.integers(1, 20),
    )
    def flood(self, number: int, more: int, gap_s: int, swapped: int) -> None:
        """About as many events as a ring has slots, not quite in order: it is full, or nearly."""
        count = self.oracle.ring_entries + more
        rows = [
            (number, CALLERS[i % 5], max(1, self.now - i * gap_s), 1 + i % 6)
            for i in range(count - 1, -1, -1)
        ]
        for at in range(swapped, count, swapped):
            rows[at - 1], rows[at] = rows[at], rows[at - 1]
        self.insert_rows(rows)

    @rule(
        number=numbers,
        who=st.lists(st.sampled_from(CALLERS), min_size=1, max_size=8),
        ago=st.integers(-2, 6),
        nudge=nudges,
    )
    def calls(self, number: int, who: list[int], ago: int, nudge: int) -> None:
        """Some callers at once: about now, when an override was given or the quarantine began."""
        record = self.oracle.records.get(number)
        time = self.now - ago * self.unit
        if record and ago < 0:
            time = record.override_at if ago == -1 else record.quarantined_at
        time = min(max(1, time + nudge), TIME_MAX)
        self.insert_rows([(number, caller, time, EventKind.CALL) for caller in who])

    @rule(number=numbers, ahead_s=st.sampled_from([-1, 0, 1, 299, 300, 301]))
    def insert_about_now(self, number: int, ahead_s: int) -> None:
        """An event at the bounds of what a clock may say."""
        self.insert_rows([(number, CALLERS[1], max(0, self.now + ahead_s), EventKind.CALL)])

    @rule(
        caller=st.sampled_from(CALLERS),
        called=st.permutations(NUMBERS),
        kind=st.sampled_from([EventKind.CALL, EventKind.VIDEO, EventKind.A2P_SMS]),
        gap=st.integers(0, 20),
        nudge=nudges,
    )
    def call_around(self, caller: int, called: list[int], kind: int, gap: int, nudge: int) -> None:
        """A caller calls all numbers, and may turn out to be a robot: that works backwards."""
        gap_s = max(0, gap * self.unit + nudge)
        times = [min(max(1, self.now - i * gap_s), TIME_MAX) for i in range(len(called))]
        self.insert_rows(
            [(number, caller, time, kind) for number, time in zip(called, times, strict=True)]
        )

    def insert_rows(self, rows: list[tuple[int, int, int, int]]) -> None:
        outcomes = [self.oracle.insert(*row, self.now) for row in rows]
        called, caller, occurred_at, kind = zip(*rows, strict=True) if rows else ((), (), (), ())
        got = self.engine.insert(
            np.array(called, np.uint64),
            np.array(caller, np.uint64),
            np.array(occurred_at, np.uint32),
            np.array(kind, np.int32),
            now=self.now,
        )
        assert (got.accepted, got.untracked, got.rejected) == tuple(
            outcomes.count(outcome) for outcome in ("accepted", "untracked", "rejected")
        )
        rejected = [i for i, outcome in enumerate(outcomes) if outcome == "rejected"]
        assert [index for index, _ in got.rejections] == rejected[:10]

    @rule(
        number=numbers,
        change=st.sampled_from(
            ["hold", "reserve", "release", "override", "override", "take back", "leave", "age"]
        ),
        units=st.integers(-3, 8),
        nudge=nudges,
        left=st.sampled_from([State.ASSIGNED, State.RETIRED, State.FREE]),
    )
    def command(self, number: int, change: str, units: int, nudge: int, left: State) -> None:
        """What the keeper does to one number."""
        record = self.oracle.records.get(number)
        if record is None or record.state not in TRACKED:
            return
        times = sorted(entry >> 32 for entry in record.ring) or [self.now]
        moment = self.now + units * self.unit if units >= 0 else times[units % len(times)]
        moment = min(max(0, moment + nudge), TIME_MAX)
        if change in {"override", "take back"}:
            record.override_at = 0 if change == "take back" else moment
            self.writer.set_override(number, record.override_at)
        elif change == "age":
            self.leave_old_entries(number, record, moment)
        elif change == "leave":
            record.ring.clear()  # nobody's business any more
            self.set_state(number, record, left, self.now)
        else:
            state = {"hold": State.HELD, "reserve": State.RESERVED}.get(change, State.QUARANTINED)
            self.set_state(number, record, state, moment if change == "reserve" else self.now)

    def set_state(self, number: int, record: Record, state: State, since: int) -> None:
        record.state, record.since = state, since
        self.writer.set_state(number, state, since=since)

    def leave_old_entries(self, number: int, record: Record, moment: int) -> None:
        """Entries before quarantined_at, as only a replay can leave them: nothing looks at them."""
        assert self.segment is not None
        later_s = max(0, min(moment, self.now) - record.quarantined_at)
        record.quarantined_at += later_s
        record.observed_since += later_s
        (slot,) = (slot for slot, row in enumerate(self.rows_in_use()) if key_of(row) == number)
        at = self.segment.records_offset + slot * self.segment.record_bytes + QUARANTINED_AT
        self.segment.view()[at : at + 4] = struct.pack("<I", record.quarantined_at)

    @rule(units=st.integers(-5, GRID + 60), nudge=nudges)
    def look(self, units: int, nudge: int) -> None:
        """Asks about a past, present or future time."""
        self.compare(max(1, min(TIME_MAX, self.start + units * self.unit + nudge)))

    @invariant()
    def engine_equals_oracle(self) -> None:
        if self.segment is not None:
            self.compare(self.now)
            self.compare_rings()
            self.compare_sweeps()

    def look_at_every_turn(self) -> None:
        """Asks about the moments at which something can change, and the seconds before them."""
        for number, record in self.oracle.records.items():
            _, policy = self.oracle.settings(record)
            quiet_s, times = policy.quiet_period_s, {entry >> 32 for entry in record.ring}
            reaches = {0, quiet_s, longest_window_s(policy) + quiet_s}
            reaches |= {rule.window_s for rule in policy.rules}
            ages = {0, policy.minimum_age_s, policy.maximum_age_s or 0}
            moments = {time + reach for time in sorted(times)[-12:] for reach in reaches}
            moments |= {record.quarantined_at + age for age in ages}
            moments |= {record.override_at, record.since}
            for moment in sorted(moments):
                for t in (moment - 1, moment):
                    if 0 < t <= TIME_MAX:
                        self.compare(t, [number])

    def teardown(self) -> None:
        """The end of a history: a long look at it, unless a step failed, which may hold memory."""
        if self.segment is None:
            return
        if sys.exc_info()[0] is None:
            self.look_at_every_turn()
        del self.engine, self.writer
        with suppress(BufferError):
            self.segment.close()

    def compare(self, t: int, asked: Sequence[int] = (*NUMBERS, UNKNOWN)) -> None:
        """Verdicts, their moments and explanations at t, as known at this moment."""
        numbers = np.array(asked, np.uint64)
        answers = self.engine.check_expected(numbers, now=self.now, at=t)
        for cells, same in zip(
            self.engine.check(numbers, now=self.now, at=t), answers[:2], strict=True
        ):
            assert (cells == same).all()
        for number, verdict, *moments in zip(asked, *answers, strict=True):
            want = self.oracle.answer(number, t, self.now)
            wanted = (want.verdict, [want.clean_at, want.expected_at]) if want else NOTHING
            assert (Verdict(verdict), moments) == wanted, (
                number,
                t,
                self.oracle.records.get(number),
                want,
            )
            got = self.engine.explain(number, now=self.now, at=t)
            assert (got is None) == (want is None), (number, t)
            if got and want:
                assert answer_of(got) == want, (number, t, self.oracle.records.get(number))
                self.compare_header(got, want)

    def compare_sweeps(self) -> None:
        """What sweeps over the whole table say: counts by pool and verdict, and a selection."""
        counts = TableScan(self.engine.segment).count(now=self.now)
        answers = {n: self.oracle.answer(n, self.now, self.now) for n in self.oracle.records}
        told = {number: answer for number, answer in answers.items() if answer is not None}
        wanted = np.zeros_like(counts.by_verdict)
        overdue = np.zeros_like(counts.overdue)
        for number, answer in told.items():
            wanted[self.oracle.records[number].pool, answer.verdict] += 1
            overdue[self.oracle.records[number].pool] += answer.overdue
        assert (counts.by_verdict == wanted).all()
        assert (counts.overdue == overdue).all()
        noisy, _ = self.engine.select(
            0, now=self.now, numbers_max=9, records_max=99, verdicts=1 << Verdict.NOISY
        )
        assert set(noisy) == {n for n, answer in told.items() if answer.verdict == Verdict.NOISY}
        late, _ = self.engine.select(
            0, now=self.now, numbers_max=9, records_max=99, pool=1, overdue_only=True
        )
        assert set(late) == {
            n for n, answer in told.items() if answer.overdue and self.oracle.records[n].pool == 1
        }

    def compare_header(self, got: Explanation, want: Answer) -> None:
        record = self.oracle.records[got.number]
        late_h = -(-(record.observed_since - record.quarantined_at) // 3600)
        assert got.state == record.state
        assert got.pool == record.pool
        assert got.quarantined_at == record.quarantined_at
        assert got.observed_since == record.quarantined_at + late_h * 3600
        assert got.override_at == record.override_at
        assert got.events_total == record.events_total
        assert got.reason == DisconnectReason.INACTIVITY
        assert got.last_event_at == max((time for time, *_ in want.recent), default=0)

    def compare_rings(self) -> None:
        """The entries that count, by the array view of the table, and who is a spray caller."""
        assert robots_of(self.engine.segment) == self.oracle.spray
        rows = {key_of(row): row for row in self.rows_in_use() if row["key"]}
        records = self.oracle.records.items()
        assert rows.keys() == {n for n, record in records if record.state != State.FREE}
        for number, record in records:
            if record.state in TRACKED:
                entries = [int(entry) for entry in rows[number]["entries"] if entry]
                assert sorted(entries) == sorted(record.ring), number

    def rows_in_use(self) -> npt.NDArray[np.void]:
        """All records; those of numbers that left are zero."""
        rows = self.engine.records().copy()
        rows[states_of(rows) == State.FREE] = 0
        return rows


def key_of(row: np.void) -> int:
    """The number of a record."""
    return int(row["key"]) & NUMBER_MASK


def answer_of(explanation: Explanation) -> Answer:
    """An explanation in the oracle's words."""
    return Answer(
        verdict=explanation.verdict,
        clean_at=explanation.clean_at,
        expected_at=explanation.expected_at,
        overridden=explanation.overridden,
        overdue=explanation.overdue,
        coverage=explanation.coverage,
        rules=[(rule.value, rule.broken, rule.saturated) for rule in explanation.rules],
        recent=[
            (event.occurred_at, event.kind, event.caller_tag, event.spray)
            for event in explanation.recent
        ],
    )
