"""The events of an `EventStream` until they are answered: bounded, in order, with their claims."""

import math
from collections import deque
from collections.abc import Callable, Sequence

from ringfence.claims import Claims
from ringfence.event_batch import EVENT_BYTES, EventBatch, SentEvent, pack_event, pack_events
from ringfence.v1.event_service_pb2 import StreamEventsRequest

AHEAD_S_MAX = 300  # the contract's bound for times in the future


class EventBuffer:
    """Takes events over one by one and gives them out in batches; knows nothing of connections.

    An event is in the unfinished batch first, then in one of the finished ones, of which the first
    `in_flight` are on their way. At most `events_max` events are in it; an event on top of that is
    dropped. `lateness_s` None = nothing is claimed; `heard_until` says until when (unix seconds)
    all was taken over or counted as lost, and None = now.
    """

    def __init__(
        self,
        feed: str,
        *,
        events_max: int,
        batch_events: int,
        lateness_s: float | None,
        clock: Callable[[], float],
        since: int | None = None,
        heard_until: Callable[[], float] | None = None,
    ) -> None:
        self._feed = feed
        self._events_max = events_max
        self._batch_bytes = batch_events * EVENT_BYTES
        self._lateness_s = lateness_s
        self._clock = clock
        self._since = since
        self._heard_until = heard_until or clock
        self._unfinished = bytearray()
        self._finished: deque[EventBatch] = deque()
        self._sequence = 0
        self.in_flight = 0
        self.taken = 0  # events taken over so far
        self.settled = 0  # of these, answered or refused
        self.dropped = self.late = self.resent = 0
        self.listen()

    def listen(self) -> None:
        """Begins the first claim, now or at an earlier time that was said."""
        # Rounded up: the second that has begun was not listened to from its begin.
        now = math.ceil(self._clock())
        self._claims = Claims(now if self._since is None else min(now, self._since))

    @property
    def is_full(self) -> bool:
        """There is no room for another event."""
        return self.taken - self.settled >= self._events_max

    @property
    def is_empty(self) -> bool:
        """Every event was answered or refused, and no heartbeat is on its way."""
        return not self._unfinished and not self._finished

    @property
    def has_unfinished(self) -> bool:
        """There are events that no finished batch holds."""
        return bool(self._unfinished)

    def take(self, called: int, caller: int, occurred_at: int, kind: int) -> bool:
        """Takes an event over, for which there must be room; whether a batch is full with it.

        Raises ValueError for what does not fit.
        """
        event = pack_event(called, caller, occurred_at, kind)
        if self._claims.is_late(occurred_at):
            self.late += 1
        self._unfinished += event
        self.taken += 1
        if len(self._unfinished) < self._batch_bytes:
            return False
        self.finish()
        return True

    def has_room(self, events: int) -> bool:
        """Whether so many events more can be taken over."""
        return self.taken - self.settled + events <= self._events_max

    def take_all(self, events: Sequence[tuple[int, int, int, int]]) -> bool:
        """Takes events over, for which there must be room, as `take` does one after the other.

        Whether a batch is full with them; raises ValueError, and takes none, where one does not
        fit.
        """
        octets = pack_events(events)
        full, at = False, 0
        while at < len(events):
            end = at + (self._batch_bytes - len(self._unfinished)) // EVENT_BYTES
            times = [occurred_at for _, _, occurred_at, _ in events[at:end]]
            if any(map(self._claims.is_late, set(times))):
                self.late += sum(map(self._claims.is_late, times))
            self._unfinished += octets[at * EVENT_BYTES : end * EVENT_BYTES]
            self.taken += len(times)
            at = end
            if len(self._unfinished) >= self._batch_bytes:
                self.finish()
                full = True
        return full

    def drop(self, occurred_at: int) -> None:
        """Counts an event that is not taken over, and keeps it out of the claims."""
        # It happened at its own time, so far as that can be believed, and no later than now: claims
        # leave out both and all between, and go on after that. A time far ahead is not believed,
        # or nothing could be claimed for as long.
        self.dropped += 1
        now = int(self._clock())
        last = min(max(occurred_at, now), now + AHEAD_S_MAX)
        self.lose(min(occurred_at, now), last + 1)

    def lose(self, begin: int, end: int) -> None:
        """Takes [begin, end), unix seconds, out of the claims that are still to be sent."""
        oldest = self._finished[0].interval[0] if self._finished else self._claims.drawn_until
        self._claims.lose((begin, end), oldest)

    def finish(self) -> None:
        """Makes the unfinished events a batch; without any it is a heartbeat."""
        # Its interval ends `lateness_s` ago: all handed over by now is in this batch or an earlier
        # one, so a claim is never ahead of an event in it that was handed over in time.
        watermark = 0
        if self._lateness_s is not None:
            heard_until = min(self._clock(), self._heard_until())
            watermark = math.floor(heard_until - self._lateness_s)
        self._sequence += 1
        self._finished.append(
            EventBatch(self._sequence, self._unfinished, self._claims.draw(watermark))
        )
        self._unfinished = bytearray()

    def next_request(self, *, early: bool) -> StreamEventsRequest | None:
        """The next batch to send; None = there is none. `early`: an unfinished one will do.

        It is only finished early when all others are on their way, so that an outage does not
        leave many small ones.
        """
        if self.in_flight == len(self._finished):
            if not (early and self._unfinished):
                return None
            self.finish()
        batch = self._finished[self.in_flight]
        self.in_flight += 1
        self.resent += len(batch) if batch.sent else 0
        batch.sent = True
        return batch.request(self._feed, self._claims.claim(batch.interval))

    def rewind(self) -> None:
        """Nothing is on its way any more: the next request is the first one not answered."""
        self.in_flight = 0

    def is_next_answer(self, sequence: int) -> bool:
        """Whether an answer with that sequence is the one that comes next."""
        return self.in_flight > 0 and self._finished[0].sequence == sequence

    def settle(self) -> EventBatch:
        """Lets go of the first batch: it was answered, or is given up."""
        batch = self._finished.popleft()
        self.in_flight -= 1
        self.settled += len(batch)
        return batch

    def give_up(self) -> EventBatch:
        """Lets go of the first batch, which the server refused, and keeps it out of the claims."""
        batch = self.settle()
        self._lose_all(*batch.happened())
        return batch

    def lose_events(self, lost: Sequence[SentEvent]) -> None:
        """Keeps events of a batch that is settled, which the server did not take, out of claims."""
        if lost:
            times = [event.occurred_at for event in lost]
            self._lose_all(min(times), max(times) + 1)

    def _lose_all(self, begin: int, end: int) -> None:
        if begin < end:  # they may lie in the intervals of later batches too
            self.lose(begin, min(end, int(self._clock()) + AHEAD_S_MAX + 1))
