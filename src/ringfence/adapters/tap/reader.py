"""From lines that tshark printed to attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ringfence.adapters.base import Attempt, Unreadable
from ringfence.adapters.tap.attempts import Attempts
from ringfence.adapters.tap.diameter import read_diameter
from ringfence.adapters.tap.isup import Circuits
from ringfence.adapters.tap.mobile import read_operation
from ringfence.adapters.tap.packets import MALFORMED, Packet, SignallingMessage, messages_of
from ringfence.adapters.tap.seen import Nothing, Seen
from ringfence.adapters.tap.short_messages import read_smpp
from ringfence.adapters.tap.voice import read_sip
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

_Read = Callable[[SignallingMessage, DialPlan, Withheld], Iterator[Seen]]
_READERS: dict[str, _Read] = {
    "tcap": read_operation,
    "diameter": read_diameter,
    "sip": read_sip,
    "smpp": read_smpp,
}

Outcome = Attempt | str | Unreadable
"""An attempt, or the name of what a message is else, or what may hide an attempt."""


class TapReader:
    """Reads packets in their order; for one thread."""

    def __init__(self, plan: DialPlan, withheld: Withheld = USUAL) -> None:
        self._plan = plan
        self._withheld = withheld
        self._attempts = Attempts()
        self._circuits = Circuits(plan, withheld)

    def read(self, packet: Packet) -> Iterator[Outcome]:
        """What the packet's messages are, and the attempts that are sure by its time."""
        yield from self.due(packet.at)
        malformed = any(name == MALFORMED for name, _ in packet.fields)
        understood = False
        for message in messages_of(packet):
            try:
                for seen in self._seen(message):
                    understood = True
                    yield from self._attempts.see(seen, packet.at)
            except Nothing as reason:
                understood = understood or not reason.doubtful
                if not (malformed and reason.doubtful):
                    yield str(reason)
            except Unreadable as unreadable:
                understood = True
                yield unreadable
        if malformed and not understood:
            yield Unreadable("malformed")

    def due(self, now: float) -> Iterator[Outcome]:
        """The attempts that are sure at `now`, unix seconds of the packets."""
        for seen in self._circuits.due(now):
            yield from self._attempts.see(seen, now)
        yield from self._attempts.due(now)

    def waits_since(self, now: float) -> float:
        """Since when, unix seconds, something may be under way that is not given out; or `now`."""
        return min(now, self._circuits.waits_since(now), self._attempts.waits_since(now))

    def _seen(self, message: SignallingMessage) -> Iterator[Seen]:
        if message.protocol in ("isup", "bicc"):
            return self._circuits.read(message)
        return _READERS[message.protocol](message, self._plan, self._withheld)
