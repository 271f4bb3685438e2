"""Some of the numbers that come and go, whose every answer is compared with the oracle's.

Nobody else calls these numbers, and nothing is asked while something of them is under way: so of
each it is known exactly which events it has taken in this life.
"""

import random
import sys
import time
from pathlib import Path

from churn_numbers import DEADLINE_S, QUICK, Commands, Turnover
from feeds import FIRST_CALLER, FIRST_NUMBER

from ringfence.engine.settings.policy import Policy, Pool, Rule
from ringfence.engine.words import FORMER_LIFE_S, EventKind, Measure, State, Verdict
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import event_service_pb2_grpc as events_grpc
from ringfence.v1 import number_service_pb2 as pb

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from oracle import Oracle, Record

FIRST = FIRST_NUMBER + 400_000_000
STRICT = "strict"
POLICIES = [
    Policy(QUICK, (Rule(Measure.EVENTS, 1, 59),)),
    Policy(
        STRICT,
        (
            Rule(Measure.EVENTS, 30, 2, frozenset({EventKind.CALL, EventKind.SMS})),
            Rule(Measure.REPEAT_CALLERS, 300, 0),
        ),
        minimum_age_s=60,
        quiet_period_s=5,
    ),
]
POOLS = [Pool(policy.name, policy.name) for policy in POLICIES]
PAST_S = 600
CHECKS, EXPLAINED = 40, 4


class Sample:
    """These numbers, as a server has them and as the oracle has them."""

    def __init__(self, address: str, *, ring_entries: int, caller_key: bytes, seed: int) -> None:
        self.turnover = Turnover(FIRST)
        self.compared = 0
        """Answers that were the oracle's: verdicts, rings, and what became of events."""
        self.accepted = 0
        self._commands = Commands(address)
        self._events = events_grpc.EventServiceStub(self._commands.channel)
        self._dice = random.Random(seed)
        self._oracle = Oracle(ring_entries, caller_key)
        self._oracle.policies, self._oracle.pools = POLICIES, POOLS
        self._listed: list[int] = []
        self._turns = 0

    def come(self, count: int) -> None:
        """Some numbers come, each with a quarantined_at of its own, in one of two pools."""
        numbers = self.turnover.come(count)
        self._turns += 1
        now, pool = int(time.time()), self._turns % 2
        earliest = [
            int(self.turnover.back.get(number, now - PAST_S)) + FORMER_LIFE_S + 2
            for number in numbers.tolist()
        ]
        since = [self._dice.randint(min(now, each), now) for each in earliest]
        self._commands.quarantine(numbers, POOLS[pool].name, since)
        for number, begun in zip(numbers.tolist(), since, strict=True):
            self._oracle.records[number] = Record(State.QUARANTINED, pool, begun, begun)
        self._listed = list(self._oracle.records)

    def leave(self) -> None:
        """Those leave that are in for longest."""
        numbers = self.turnover.leave()
        assign = self._oracle.records[int(numbers[0])].pool == 0 and self._dice.random() < 0.5
        self._commands.let_go(numbers, assign=assign)
        self.turnover.gone(numbers)
        for number in numbers.tolist():
            del self._oracle.records[number]
        self._listed = list(self._oracle.records)

    def turn(self, count: int, calls: int) -> None:
        """Some leave and as many come; all are called, and looked at."""
        self.leave()
        self.come(count)
        self._call(calls)
        self.look(self._dice.sample(self._listed, min(CHECKS, len(self._listed))))

    def _call(self, calls: int) -> None:
        """Somebody calls numbers that are in, that left and that never came."""
        now = int(time.time())
        batch = []
        for _ in range(calls):
            called = self._dice.choice(self._listed)
            if self._dice.random() < 0.2:
                called = self._dice.randrange(FIRST, self.turnover.new + 1_000)
            caller = FIRST_CALLER + 3 * (called - FIRST_NUMBER) + self._dice.randrange(3)
            caller = self._dice.choice((0, caller, caller, caller))
            at = now - int(PAST_S * self._dice.random() ** 4)
            batch.append((called, caller, at, self._dice.randint(1, 6)))
        became = [self._oracle.insert(*each, now) for each in batch]
        columns = dict(
            zip(("called", "caller", "occurred_at", "kind"), zip(*batch, strict=True), strict=True)
        )
        answer = self._events.RecordEvents(
            events.RecordEventsRequest(feed="sample", **columns), timeout=DEADLINE_S
        )
        self.accepted += answer.accepted
        self._compare(
            "events", (answer.accepted, answer.untracked),
            (became.count("accepted"), became.count("untracked")),
        )  # fmt: skip

    def look(self, numbers: list[int]) -> None:
        """Compares the verdicts of these, and all that is said of some of them."""
        at = int(time.time())
        answer = self._commands.numbers.CheckNumbers(
            pb.CheckNumbersRequest(numbers=numbers, at=at), timeout=DEADLINE_S
        )
        told = zip(answer.verdicts, answer.clean_at, answer.expected_at, strict=True)
        for number, found in zip(numbers, told, strict=True):
            expected = self._oracle.answer(number, at, at)
            assert expected is not None
            self._compare(
                f"+{number} at {at}", (Verdict(found[0]).name, *found[1:]),
                (expected.verdict.name, expected.clean_at, expected.expected_at),
            )  # fmt: skip
        for number in numbers[:EXPLAINED]:
            explained = self._commands.numbers.GetNumber(
                pb.GetNumberRequest(number=number, at=at), timeout=DEADLINE_S
            )
            expected = self._oracle.answer(number, at, at)
            assert expected is not None
            ring = [(each.occurred_at.seconds, each.kind) for each in explained.recent]
            callers = [each.caller_tag for each in explained.recent]
            self._compare(
                f"events of +{number}", (explained.events_total, ring, callers),
                (
                    self._oracle.records[number].events_total,
                    [(each[0], int(each[1])) for each in expected.recent],
                    [each[2] for each in expected.recent],
                ),
            )  # fmt: skip

    def look_at_all(self) -> None:
        """Compares the verdicts of all that are in."""
        self.look(self._listed)

    def again(self, address: str) -> None:
        """The server was started anew."""
        self._commands = Commands(address)
        self._events = events_grpc.EventServiceStub(self._commands.channel)

    def _compare(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise SystemExit(f"other than the oracle says: {what}: {found}, expected {expected}")
        self.compared += 1
