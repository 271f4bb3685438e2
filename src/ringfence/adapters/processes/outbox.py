"""What a process that reads keeps of its findings until they are handed over.

That is bounded: when it is full it goes out at once, and when the pipe is full too, everything
here waits, and nothing is read. The kernel then keeps what arrives, and what it has no room for is
lost time like any other.
"""

from __future__ import annotations

from collections.abc import Callable

from ringfence import EventKind
from ringfence.adapters.base import Tally
from ringfence.adapters.calls import Sighting
from ringfence.adapters.processes.batch import Batch, Packed, pack, to_frame

REPORTS_MAX = 256
NAMES_MAX = 4_096
LOST_MAX = 4_096


class Outbox:
    """A reader's `Memory`, which remembers nothing and asks nobody: every report is a repeat until
    the process behind says otherwise. Also the `EventSink` of its listener.

    `send` sends octets and returns when they are sent.
    """

    forgotten_early = 0

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._reports: list[Packed] = []
        self._names = 0
        self._lost: dict[tuple[int, int], None] = {}
        self._said: list[str] = []
        self._told = Tally()
        self._before = (0.0, False)
        self.tally = Tally()
        """The reader's."""
        self.understood: Callable[[], list[int]] = list
        """Which of the named agents were understood."""

    def is_first(
        self, seen: Sighting, at: int, kind: EventKind, *, caller_unreadable: bool
    ) -> bool:
        """Keeps a report."""
        if len(self._reports) >= REPORTS_MAX or self._names >= NAMES_MAX:
            # What is being read is neither here nor counted yet: no more is heard than before it.
            self.hand_over(*self._before)
        self._reports.append(pack(seen, at, kind, caller_unreadable))
        self._names += len(seen.names)
        return False

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        """Nothing is an event here."""
        raise AssertionError("each report is a repeat to the one who reads it")

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> None:
        """Nothing is an event here."""
        self.send(called, caller, occurred_at, kind)

    def lose(self, began_at: int, ended_at: int) -> None:
        """Keeps what is not to be claimed."""
        if len(self._lost) >= LOST_MAX:
            self.hand_over(*self._before)
        self._lost[began_at, ended_at] = None

    def say(self, text: str) -> None:
        """Keeps what is to be said."""
        self._said.append(text)

    def hand_over(self, heard_until: float, is_connected: bool, *, is_last: bool = False) -> None:
        """Sends all that is kept, and waits as long as that takes."""
        counted = {name: count for name, count in self.tally.items() if count != self._told[name]}
        batch = Batch(
            heard_until,
            is_connected,
            self._reports,
            list(self._lost),
            {name: count - self._told[name] for name, count in counted.items()},
            self.understood(),
            self._said,
            is_last,
        )
        frame = to_frame(batch)
        self._told.update(batch.tally)
        self._before = heard_until, is_connected
        self._reports, self._lost, self._said, self._names = [], {}, [], 0
        self._send(frame)
