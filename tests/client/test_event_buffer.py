"""What a feed claims: never a time of which an event was lost or is still to come."""

from dataclasses import dataclass, field

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringfence.claims import Claims
from ringfence.event_buffer import EventBuffer

pytestmark = pytest.mark.slow

CALLED = 447700900000
NOW = 1_750_000_000
LATENESS_S = 5
BATCH_EVENTS = 2
EVENTS_MAX = 5


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Seen:
    """One event as the outside world knows it."""

    occurred_at: int
    batch: int  # the batch that holds it; 0 = dropped
    lost: bool = False
    late: bool = False


@dataclass
class Sent:
    batch: int
    claim: range
    events: list[int] = field(default_factory=list)


class BufferMachine(RuleBasedStateMachine):
    """Any order of events, losses, answers, refusals and lost connections."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.buffer = EventBuffer(
            "hep-1",
            events_max=EVENTS_MAX,
            batch_events=BATCH_EVENTS,
            lateness_s=LATENESS_S,
            clock=self.clock,
        )
        self.events: list[Seen] = []
        self.batch = 1  # the one that is being filled
        self.filled = 0
        self.drawn_until = NOW  # up to where claims were drawn, whether sent or not
        self.late = 0
        self.on_their_way: list[Sent] = []
        self.answered: list[Sent] = []

    @rule(seconds=st.integers(0, 12))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(age_s=st.one_of(st.integers(0, LATENESS_S), st.integers(-310, 60)))
    def an_event_comes(self, age_s: int) -> None:
        occurred_at = int(self.clock.now) - age_s
        late = NOW <= occurred_at < self.drawn_until
        if self.buffer.is_full:
            self.buffer.drop(occurred_at)
            self.events.append(Seen(occurred_at, 0, lost=True))
            return
        self.late += late
        self.buffer.take(CALLED, 0, occurred_at, 1)
        assert self.buffer.late == self.late
        self.events.append(Seen(occurred_at, self.batch, late=late))
        self.filled += 1
        if self.filled == BATCH_EVENTS:
            self._next_batch()

    @rule(ages_s=st.lists(st.integers(-10, 12), max_size=2 * BATCH_EVENTS + 1))
    def events_come_together(self, ages_s: list[int]) -> None:
        if not self.buffer.has_room(len(ages_s)):
            return
        times = [int(self.clock.now) - age_s for age_s in ages_s]
        full = self.buffer.take_all([(CALLED, 0, at, 1) for at in times])
        assert full == (self.filled + len(times) >= BATCH_EVENTS)
        for occurred_at in times:
            late = NOW <= occurred_at < self.drawn_until
            self.late += late
            self.events.append(Seen(occurred_at, self.batch, late=late))
            self.filled += 1
            if self.filled == BATCH_EVENTS:
                self._next_batch()
        assert self.buffer.late == self.late

    @rule()
    def a_heartbeat_is_due(self) -> None:
        self.buffer.finish()
        self._next_batch()

    @rule(early=st.booleans())
    def a_batch_is_sent(self, early: bool) -> None:
        finishes = early and self.filled > 0 and self.buffer.in_flight == len(self.buffer._finished)
        request = self.buffer.next_request(early=early)
        if finishes:
            self._next_batch()
        if request is None:
            return
        claim = range(request.complete_from, request.watermark)
        note(f"sent {request.sequence}: {claim}")
        assert (request.watermark == 0) == (request.complete_from == 0)
        assert request.watermark <= self.clock.now - LATENESS_S
        for event in self.events:
            if event.occurred_at in claim:
                assert not event.lost
                assert 0 < event.batch <= request.sequence or event.late
        for sent in self.on_their_way + self.answered:
            assert not set(sent.claim) & set(claim)
        self.on_their_way.append(Sent(request.sequence, claim, list(request.occurred_at)))

    @precondition(lambda self: self.on_their_way)
    @rule()
    def an_answer_comes(self) -> None:
        sent = self.on_their_way.pop(0)
        assert self.buffer.is_next_answer(sent.batch)
        self.buffer.settle()
        self.answered.append(sent)

    @rule()
    def the_connection_is_lost(self) -> None:
        self.buffer.rewind()
        self.on_their_way.clear()
        assert not self.buffer.is_next_answer(1)

    @precondition(lambda self: self.on_their_way)
    @rule()
    def a_batch_is_refused(self) -> None:
        refused = self.on_their_way[0].batch
        assert self.buffer.give_up().sequence == refused
        for event in self.events:
            event.lost |= event.batch == refused
        self.the_connection_is_lost()

    @invariant()
    def nothing_is_forgotten(self) -> None:
        waiting = [e for e in self.events if e.batch and not e.lost]
        answered = {sent.batch for sent in self.answered}
        assert self.buffer.taken - self.buffer.settled == sum(
            event.batch not in answered for event in waiting
        )
        assert self.buffer.taken - self.buffer.settled <= EVENTS_MAX
        for sent in self.answered:
            assert sent.events == [e.occurred_at for e in self.events if e.batch == sent.batch]

    def _next_batch(self) -> None:
        self.batch += 1
        self.filled = 0
        self.drawn_until = max(self.drawn_until, int(self.clock.now) - LATENESS_S)


TestBuffer = BufferMachine.TestCase
TestBuffer.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_losses_that_concern_no_claim_any_more_are_forgotten() -> None:
    claims = Claims(100)
    claims.lose((100, 110), oldest=100)
    assert claims.claim(claims.draw(130)) == (110, 130)
    claims.lose((140, 150), oldest=130)
    assert claims.claim(claims.draw(145)) == (130, 140)
    assert claims.claim(claims.draw(148)) is None
    assert claims.claim(claims.draw(160)) == (150, 160)


def test_a_bogus_time_of_a_dropped_event_ends_claims_for_five_minutes_at_most() -> None:
    clock = Clock()
    buffer = EventBuffer("hep-1", events_max=0, batch_events=1, lateness_s=5, clock=clock)
    buffer.drop(2**32 - 1)
    clock.now += 400
    buffer.finish()
    request = buffer.next_request(early=False)
    assert request is not None
    assert (request.complete_from, request.watermark) == (NOW + 301, NOW + 395)


@pytest.mark.parametrize("count", [1, 1_000])
def test_an_event_takes_21_bytes(count: int) -> None:
    buffer = EventBuffer(
        "hep-1", events_max=count, batch_events=65_536, lateness_s=None, clock=Clock()
    )
    for i in range(count):
        buffer.take(CALLED + i, 0, NOW, 1)
    assert len(buffer._unfinished) == 21 * count
    assert buffer.is_full


def test_claims_end_where_everything_was_heard_and_may_begin_before_the_stream() -> None:
    clock, heard = Clock(), [NOW - 100.0]
    buffer = EventBuffer(
        "sip-1",
        events_max=EVENTS_MAX,
        batch_events=BATCH_EVENTS,
        lateness_s=LATENESS_S,
        clock=clock,
        since=NOW - 600,
        heard_until=lambda: heard[0],
    )
    claims = []
    for heard_until in (NOW - 100.0, NOW - 100.0, NOW - 20.5, NOW + 3_600.0):
        heard[0] = heard_until
        buffer.finish()
        request = buffer.next_request(early=False)
        assert request is not None
        claims.append((request.complete_from, request.watermark))
    assert claims == [
        (NOW - 600, NOW - 105),
        (0, 0),
        (NOW - 105, NOW - 26),
        (NOW - 26, NOW - LATENESS_S),
    ]


def test_claims_do_not_begin_in_the_future() -> None:
    buffer = EventBuffer(
        "sip-1",
        events_max=EVENTS_MAX,
        batch_events=BATCH_EVENTS,
        lateness_s=0,
        clock=Clock(),
        since=NOW + 50,
    )
    buffer.finish()
    request = buffer.next_request(early=False)
    assert request is not None
    assert (request.complete_from, request.watermark) == (0, 0)
