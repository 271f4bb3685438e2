"""Whatever arrives: a call that was reported is an event, or its time is not claimed."""

import os
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from support.reported_calls import Arrival, reports
from support.switch_traffic import AT

from ringfence.adapters.base import Attempt
from ringfence.adapters.hep_reader import LATE_S, HepReader
from ringfence.event_buffer import EventBuffer
from ringfence.wording.dialled import DialPlan

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "200"))
WAIT_S = 30
"""How long after the last arrival is looked at."""


class Second:
    """The second of a run, as a clock shows it."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> float:
        return float(self.now)


class Adapter:
    """A reader, and the buffer that its events and losses go to, a second after the other."""

    def __init__(self) -> None:
        self.clock = Second()
        self.reader = HepReader(DialPlan.of_country(44))
        self.called: set[int] = set()
        self.claimed: set[int] = set()
        self.buffer = EventBuffer(
            "sip-1",
            events_max=1_000_000,
            batch_events=1_000_000,
            lateness_s=LATE_S,
            clock=self.clock,
            heard_until=self._heard_until,
            since=AT - 1_000,
        )

    def _heard_until(self) -> float:
        since = self.reader.waits_since
        return self.clock() if since is None else float(since)

    def arrive(self, datagram: bytes) -> None:
        self._hand_on(self.reader.read(datagram, self.clock.now))

    def seconds(self, count: int) -> None:
        for _ in range(count):
            self.clock.now += 1
            self._hand_on(self.reader.look(self.clock.now))
            self.claim()

    def claim(self) -> None:
        """Sends all there is, with its claim."""
        self.buffer.finish()
        while request := self.buffer.next_request(early=False):
            self.claimed |= set(range(request.complete_from, request.watermark))
            self.buffer.settle()

    def _hand_on(self, attempts: Iterable[Attempt]) -> None:
        for began_at, ended_at in self.reader.lost():
            self.buffer.lose(began_at, ended_at)
        for attempt in attempts:
            self.called.add(attempt.called)
            self.buffer.take(attempt.called, attempt.caller, attempt.occurred_at, 1)


def hidden_calls(arrivals: list[Arrival]) -> dict[int, int]:
    """The calls that nobody hears of, and the claimed seconds in which they came."""
    adapter = Adapter()
    seen: dict[int, int] = {}
    for arrival in arrivals:
        adapter.seconds(arrival.after_s)
        for number in arrival.calls:
            seen.setdefault(number, adapter.clock.now)
        adapter.arrive(arrival.datagram)
    adapter.seconds(WAIT_S)
    assert adapter.claimed, "a test that claims nothing proves nothing"
    return {
        number: at
        for number, at in seen.items()
        if number not in adapter.called and at in adapter.claimed
    }


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(reports())
def test_a_reported_call_is_an_event_or_lost_time(arrivals: list[Arrival]) -> None:
    assert hidden_calls(arrivals) == {}
