"""Whose command is next: turns go round those who ask, in proportion to what their commands cost.

Start-time fair queuing (Goyal, Vin, Cheng 1996): each who asks has a time of his own, which goes on
by the cost of each of his commands, and the one with the least is next. It never begins before that
of the command that went last, so nobody saves turns up. Who asks bulk and small commands has a
turn for each of the two.

A command's turn lasts until it is answered. At most so many have one at the same time that they can
share a write to the disk; of one who asks a few fewer, so that another one's finds a place at once;
and of bulk commands one, which leaves the disk and the thread that looks at numbers to the others
for most of the time. One turn is given in each round of the event loop: what arrives meanwhile is
read before the next command is decided.

All on one loop.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from ringfence.server.link.refusal import keeper_away

TURNS_MAX = 64
TURNS_OF_ONE_MAX = 48
BULK_NUMBERS = 1_024
"""A command about more numbers is a bulk command."""
COMMAND_COST = 512  # numbers that take as long as what any command takes besides
WAITING_MAX = 16_384
WAITING_OF_ONE_MAX = 4_096
BYTES_MAX = 64 << 20
BYTES_OF_ONE_MAX = 16 << 20
COMMAND_BYTES = 1_024  # that a command takes besides its numbers
NUMBER_BYTES = 8
SEEN_MAX = 4_096  # who asked and does not wait, with what his commands cost


@dataclass(slots=True, eq=False)
class _Asker:
    """Who asks bulk commands, or small ones."""

    is_bulk: bool
    begins_at: float = 0.0  # his own time
    waiting: deque["_Wait"] = field(default_factory=deque)
    turns: int = 0
    bytes: int = 0
    in_line: bool = False


@dataclass(slots=True, eq=False)
class _Wait:
    """One command."""

    asker: _Asker
    numbers: int
    turn: asyncio.Future[None]

    @property
    def cost(self) -> int:
        return COMMAND_COST + self.numbers

    @property
    def bytes(self) -> int:
        return COMMAND_BYTES + self.numbers * NUMBER_BYTES


_Line = list[tuple[float, int, _Asker]]
"""A heap of those who wait and may have one more turn: their time, and in which order they came."""


class FairQueue:
    """Turns of commands. Made on the loop that uses it."""

    def __init__(self, pause_s: Callable[[int], float] = lambda _: 0.0) -> None:
        """`pause_s` says how long after a bulk command of so many numbers the next one begins at
        the earliest.
        """
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self._askers: dict[tuple[str, bool], _Asker] = {}  # who asked last is last
        self._small: _Line = []
        self._bulk: _Line = []
        self._order = count()
        self._began_at = 0.0  # the time of the asker when the last command began
        self._turns = 0
        self._bulk_turns = 0
        self._bulk_due_at = 0.0  # by the loop's clock
        self._waiting = 0
        self._bytes = 0
        self._is_giving = False

    @asynccontextmanager
    async def turn(self, who: str, numbers: int) -> AsyncIterator[None]:
        """A turn for a command about so many numbers; raises a refusal when too much waits."""
        wait = self._join(who, numbers)
        try:
            await wait.turn
        except asyncio.CancelledError:
            if wait.turn.cancelled():
                with suppress(ValueError):  # it was passed over already
                    wait.asker.waiting.remove(wait)
                self._forget(wait)
            else:
                self._end(wait)
            raise
        try:
            yield
        finally:
            self._end(wait)

    def _join(self, who: str, numbers: int) -> _Wait:
        is_bulk = numbers > BULK_NUMBERS
        asker = self._askers.get((who, is_bulk)) or _Asker(is_bulk)
        wait = _Wait(asker, numbers, self._loop.create_future())
        _check("calls", self._waiting + 1, WAITING_MAX)
        _check("calls of one", len(asker.waiting) + 1, WAITING_OF_ONE_MAX)
        _check("bytes", self._bytes + wait.bytes, BYTES_MAX)
        _check("bytes of one", asker.bytes + wait.bytes, BYTES_OF_ONE_MAX)
        self._remember((who, is_bulk), asker)
        asker.waiting.append(wait)
        asker.bytes += wait.bytes
        self._waiting += 1
        self._bytes += wait.bytes
        self._line_up(asker)
        if not self._is_giving:
            self._give()
        return wait

    def _remember(self, key: tuple[str, bool], asker: _Asker) -> None:
        """What the commands of who asked have cost counts until many others have asked since."""
        self._askers.pop(key, None)
        self._askers[key] = asker
        while len(self._askers) > SEEN_MAX:
            longest, asked = next(iter(self._askers.items()))
            del self._askers[longest]
            if asked.waiting or asked.turns:
                self._askers[longest] = asked  # there are no more of these than commands
                break

    def _line_up(self, asker: _Asker) -> None:
        if asker.waiting and not asker.in_line and asker.turns < TURNS_OF_ONE_MAX:
            asker.in_line = True
            asker.begins_at = max(asker.begins_at, self._began_at)
            line = self._bulk if asker.is_bulk else self._small
            heapq.heappush(line, (asker.begins_at, next(self._order), asker))

    def _give(self) -> None:
        """Gives a turn to who is next, and another one in the next round of the loop."""
        self._is_giving = False
        while self._turns < TURNS_MAX and (line := self._next_line()):
            _, _, asker = heapq.heappop(line)
            asker.in_line = False
            while asker.waiting and asker.waiting[0].turn.cancelled():
                asker.waiting.popleft()
            if asker.waiting:
                self._begin(asker)
                break
        self._give_later()

    def _next_line(self) -> _Line:
        """The line whose first one is next; empty = nobody may have a turn."""
        if self._bulk_turns or self._loop.time() < self._bulk_due_at:
            return self._small
        return min((line for line in (self._small, self._bulk) if line), default=self._small)

    def _begin(self, asker: _Asker) -> None:
        wait = asker.waiting.popleft()
        self._forget(wait)
        self._began_at = max(self._began_at, asker.begins_at)
        asker.begins_at += wait.cost
        asker.turns += 1
        self._turns += 1
        self._bulk_turns += asker.is_bulk
        self._line_up(asker)
        wait.turn.set_result(None)

    def _end(self, wait: _Wait) -> None:
        """A command is answered, or was given up in its turn."""
        wait.asker.turns -= 1
        self._turns -= 1
        if wait.asker.is_bulk:
            self._bulk_turns -= 1
            pause_s = self._pause_s(wait.numbers)
            self._bulk_due_at = self._loop.time() + pause_s
            self._loop.call_later(pause_s, self._give_later)
        self._line_up(wait.asker)
        self._give_later()

    def _give_later(self) -> None:
        if not self._is_giving and self._turns < TURNS_MAX and self._next_line():
            self._is_giving = True
            self._loop.call_soon(self._give)

    def _forget(self, wait: _Wait) -> None:
        """It does not wait any more."""
        wait.asker.bytes -= wait.bytes
        self._waiting -= 1
        self._bytes -= wait.bytes


def _check(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise keeper_away(f"too much waits for the keeper: {what}={value}, limit={limit}")
