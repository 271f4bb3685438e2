"""One table as the engine has it and as the oracle has it, for sweeps to go over."""

import random
from dataclasses import dataclass

import numpy as np
from oracle import Answer, Oracle, Record

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed, Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import DisconnectReason, EventKind, Measure, State, Verdict
from support.engine import Engine
from support.small_table import KEY, START, insert

DAY_S = 86_400
CALLERS = [0, 441632960001, 441632960002, 441632960003]
AHEAD = {Verdict.AGING, Verdict.NOISY, Verdict.UNOBSERVED}
POLICIES = [
    Policy(
        "strict",
        (Rule(Measure.EVENTS, 30 * DAY_S, 2), Rule(Measure.REPEAT_CALLERS, 60 * DAY_S, 0)),
        minimum_age_s=40 * DAY_S,
        maximum_age_s=90 * DAY_S,
        quiet_period_s=5 * DAY_S,
        minimum_coverage=0.95,
    ),
    Policy(
        "mild",
        (Rule(Measure.EVENTS, 7 * DAY_S, 3, frozenset({EventKind.CALL, EventKind.A2P_SMS})),),
        minimum_age_s=10 * DAY_S,
        maximum_age_s=60 * DAY_S,
    ),
]


@dataclass
class Pair:
    """One table as the engine has it and as the oracle has it."""

    segment: Segment
    writer: TableWriter
    oracle: Oracle
    now: int

    def answers(self) -> dict[int, Answer]:
        """What the oracle says of all numbers that are there."""
        found = {n: self.oracle.answer(n, self.now, self.now) for n in self.oracle.records}
        return {number: answer for number, answer in found.items() if answer is not None}


def make_pair(seed: int, *, pools: int, ring_entries: int, numbers: int = 400) -> Pair:
    """A table with numbers in every state, of every age, some of them busy."""
    print(f"seed={seed}")
    dice = random.Random(seed)
    segment = Segment.create(None, capacity_numbers=numbers + 8, ring_entries=ring_entries)
    pair = Pair(segment, TableWriter(segment), Oracle(ring_entries, KEY), START + 100 * DAY_S)
    oracle, now = pair.oracle, pair.now
    oracle.policies = POLICIES
    oracle.feeds = [Feed("west", ((START, START + 55 * DAY_S), (START + 58 * DAY_S, now)))]
    oracle.pools = [
        Pool(f"pool-{i}", "mild" if i % 2 else "strict", () if i % 3 else ("west",))
        for i in range(pools)
    ]
    publish_settings(pair.segment, oracle.policies, oracle.pools, oracle.feeds)
    for number in dice.sample(range(447700900000, 447700901000), numbers):
        q = START + dice.randrange(100) * DAY_S + dice.choice([0, 0, 0, 1, 77])
        observed = q + dice.choice([0, 0, 7200])
        oracle.records[number] = Record(State.QUARANTINED, dice.randrange(pools), q, observed)
        pair.writer.quarantine(
            np.array([number], np.uint64),
            pool=oracle.records[number].pool,
            quarantined_at=np.array([q], np.uint32),
            observed_since=np.array([observed], np.uint32),
            reason=np.array([DisconnectReason.INACTIVITY], np.uint8),
            now=q,
        )
    engine = Engine(segment, caller_key=KEY)
    for number in dice.sample(list(oracle.records), numbers // 2):
        for _ in range(dice.choice([1, 2, 4, ring_entries + 2])):
            row = number, dice.choice(CALLERS), now - dice.randrange(90 * DAY_S), dice.randint(1, 6)
            oracle.insert(*row, now)
            insert(engine, [row], now=now)
    for number in dice.sample(list(oracle.records), numbers // 2):
        state = dice.choice(list(State)[1:])
        record = oracle.records[number]
        record.state, record.since = state, now + dice.choice([-1, 0, 1, 100])
        pair.writer.set_state(number, state, since=record.since)
        if dice.random() < 0.3:
            record.override_at = now - dice.randrange(5 * DAY_S)
            pair.writer.set_override(number, record.override_at)
    return pair
