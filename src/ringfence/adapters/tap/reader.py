"""From lines that tshark printed to attempts."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.adapters.base import Attempt, Tally, Unreadable
from ringfence.adapters.tap.attempts import Attempts
from ringfence.adapters.tap.diameter import read_diameter
from ringfence.adapters.tap.isup import Circuits
from ringfence.adapters.tap.mobile import read_operation
from ringfence.adapters.tap.packets import SignallingMessage, messages_of, packet_of
from ringfence.adapters.tap.seen import Nothing, Seen
from ringfence.adapters.tap.short_messages import read_smpp
from ringfence.adapters.tap.voice import read_sip
from ringfence.wording.dialled import DialPlan

_READERS = {
    "tcap": read_operation,
    "diameter": read_diameter,
    "sip": read_sip,
    "smpp": read_smpp,
}


class TapReader:
    """Reads lines in their order; for one thread."""

    def __init__(self, plan: DialPlan) -> None:
        self.tally = Tally()
        self._plan = plan
        self._attempts = Attempts(self.tally)
        self._circuits = Circuits(plan)

    def read(self, line: str) -> Iterator[Attempt]:
        """The attempts that are sure with this line; raises ValueError for what is none."""
        at, fields = packet_of(line)
        yield from self.due(at)
        for message in messages_of(at, fields):
            try:
                for seen in self._seen(message):
                    yield from self._attempts.see(seen, at)
            except (Nothing, Unreadable) as reason:
                self.tally[str(reason)] += 1

    def due(self, now: float) -> Iterator[Attempt]:
        """The attempts that are sure at `now`, unix seconds of the packets."""
        for seen in self._circuits.due(now):
            yield from self._attempts.see(seen, now)
        yield from self._attempts.due(now)

    def _seen(self, message: SignallingMessage) -> Iterator[Seen]:
        if message.protocol in ("isup", "bicc"):
            return self._circuits.read(message)
        return _READERS[message.protocol](message, self._plan)
