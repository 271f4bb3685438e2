"""A small table with a policy, a pool and some numbers in quarantine, for tests to work on."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ringfence.engine.answers import Inserted
from ringfence.engine.events.wire import EventDecoder
from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.engine.settings.policy import NO_SPRAY, Policy, Pool, Rule, Spray
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import DisconnectReason, EventKind, Measure
from ringfence.v1.event_service_pb2 import StreamEventsRequest
from support.engine import Engine

KEY = bytes(range(16))
START = 1_700_000_000  # when the numbers of these tests went into quarantine
NUMBERS = [447700900000 + i for i in range(8)]
ALICE, BOB = 441632960001, 441632960002

Event = tuple[int, int, int, int]
"""Called, caller, occurred_at, kind."""


@dataclass
class SmallTable:
    """A segment with the two objects that work on it."""

    segment: Segment
    writer: TableWriter
    engine: Engine

    def quarantine(self, numbers: Iterable[int], quarantined_at: int = START) -> list[int]:
        """Puts numbers into the pool's quarantine; returns the outcomes."""
        listed = np.fromiter(numbers, np.uint64)
        times = np.full(listed.size, quarantined_at, np.uint32)
        outcomes = self.writer.quarantine(
            listed,
            pool=0,
            quarantined_at=times,
            observed_since=times,
            reason=np.full(listed.size, DisconnectReason.INACTIVITY, np.uint8),
            now=quarantined_at,
        )
        return [int(outcome) for outcome in outcomes]

    def rings(self) -> dict[int, list[int]]:
        """The sorted entries of each number of the table."""
        return {
            int(row["key"]) & NUMBER_MASK: sorted(int(entry) for entry in row["entries"] if entry)
            for row in self.engine.records()
            if row["key"]
        }


def make_table(
    path: str | os.PathLike[str] | None = None,
    *,
    numbers: Iterable[int] = NUMBERS,
    capacity_numbers: int = 16,
    ring_entries: int = 12,
    spray: Spray = NO_SPRAY,
) -> SmallTable:
    """A new table, in anonymous memory unless a path is given."""
    segment = new_segment(
        path, capacity_numbers=capacity_numbers, ring_entries=ring_entries, spray=spray
    )
    table = SmallTable(segment, TableWriter(segment), Engine(segment, caller_key=KEY))
    policy = Policy("policy", (Rule(Measure.EVENTS, 100, 0),))
    publish_settings(table.segment, [policy], [Pool("pool", "policy")])
    table.quarantine(numbers)
    return table


def insert(engine: Engine, events: Sequence[Event], now: int = START + 1000) -> Inserted:
    """Inserts events given as rows."""
    called, caller, occurred_at, kind = zip(*events, strict=True) if events else ((), (), (), ())
    return engine.insert(
        np.array(called, np.uint64),
        np.array(caller, np.uint64),
        np.array(occurred_at, np.uint32),
        np.array(kind, np.int32),
        now=now,
    )


def take(engine: Engine, events: Sequence[Event], now: int = START + 1000) -> Inserted:
    """Inserts events as a worker does, from the bytes of a message: with what the journal keeps."""
    called, caller, occurred_at, kind = zip(*events, strict=True)
    message = StreamEventsRequest(
        feed="feed", called=called, caller=caller, occurred_at=occurred_at, kind=kind
    )
    decoder = EventDecoder()
    decoder.decode(message.SerializeToString())
    return engine.insert_decoded(decoder, now=now)


def a_call(number: int = NUMBERS[0], after_s: int = 0, caller: int = ALICE) -> Event:
    """A call, some seconds after START."""
    return number, caller, START + after_s, EventKind.CALL
