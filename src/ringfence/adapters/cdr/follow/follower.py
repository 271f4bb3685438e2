"""A `Source` of the records that a switch writes to files, while it writes them.

A record is written when its call has ended. So what was read proves nothing of calls that go on:
a time is claimed only when it lies back by the longest call. Everything that was not read in full,
or may never be, is lost from the last claim on until now.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from ringfence import EventKind
from ringfence.adapters.base import EventSink, Tally
from ringfence.adapters.cdr.follow.files import Files, Followed
from ringfence.adapters.cdr.follow.looking import Looking, moment
from ringfence.adapters.cdr.follow.reading import Moved, Piece, Reading, opened
from ringfence.adapters.cdr.follow.whole import Shape
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.event_table import AHEAD_S_MAX, Passed
from ringfence.wording.tables import Table, TableError

TORN_S = 60.0
"""A record that is not whole is waited for so long."""
SETTLED_S = 10.0
"""A file of a format that is read as a whole was not written to for so long."""
REMEMBERED = 8 << 20
"""Octets in front of where one goes on that are read again, for the calls that were seen."""
AT_ONCE = 256
"""Records read before others get their turn."""


class Follower(Looking):
    """Reads on in files, again and again. All times are unix seconds.

    `lose` learns of [began, ended) in which calls may have been missed.
    """

    def __init__(
        self,
        files: Files,
        shape: Shape,
        reader: CdrReader,
        sink: EventSink,
        say: Callable[[str], None],
        *,
        longest_call_s: float,
        heard: float,
        resumed: bool,
        lose: Callable[[int, int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(files, sink, say, heard=heard, lose=lose, clock=clock)
        self._shape = shape
        self._reader = reader
        self._longest_call_s = longest_call_s
        self._remembers = not resumed

    async def read_all(self) -> None:
        """Reads what is new in all files."""
        began = self._clock()
        look = await self._listed(began)
        if look is None:
            return
        for words in look.lost:
            self._lose(words)
        if not self._remembers:
            await self._remember()
        self._reader.latest = int(began) + AHEAD_S_MAX
        for followed in look.to_read:
            await self._read(followed, began)
            if self._stop_wanted():
                return
        torn = [each.torn_since for each in self._files.followed if each.torn_since is not None]
        if not look.puts_off:
            self._files.looked_at = began
        whole_until = min([self._files.looked_at, *torn, *self._files.troubles.since])
        self._heard = max(self._heard, whole_until)

    async def _read(self, followed: Followed, began: float) -> None:
        as_of = (followed.size, followed.mtime_ns)
        troubles = self._files.troubles
        try:
            with ExitStack() as stack:
                file = await asyncio.to_thread(
                    stack.enter_context, opened(followed.path, followed.key, followed.held)
                )
                reading = await asyncio.to_thread(Reading, file, self._shape, followed.place.offset)
                while piece := await asyncio.to_thread(reading.next):
                    await self._hand_on(piece, followed)
                    if self._stop_wanted():
                        return
                if await self._torn(reading, followed, began):
                    followed.read_as = as_of
        except Moved:
            return
        except (OSError, TableError) as error:
            troubles.meet(followed.key, followed, error, began, self._files.looked_at)
            return
        troubles.over(followed.key)

    async def _torn(self, reading: Reading, followed: Followed, began: float) -> bool:
        """Looks at what is not whole; whether all was read."""
        by_file = self._shape.whole is None
        if not reading.rest.strip() or (by_file and len(reading.rest) == followed.place.offset):
            followed.torn_since = None
            return True
        at, size = followed.place.offset, followed.size
        if followed.torn_since is None or followed.torn_at != at:
            followed.torn_since = self._files.looked_at
        if (followed.torn_at, followed.torn_size) != (at, size):
            followed.torn_at, followed.torn_size, followed.torn_seen = at, size, began
        if by_file:
            written_at = min(followed.mtime_ns / 1e9, followed.torn_seen)
            if began - written_at < SETTLED_S:
                return False
            await self._hand_on(reading.take(len(reading.rest)), followed)
            followed.torn_since = None
            return True
        if began - followed.torn_seen < TORN_S:
            return False
        self._lose(f"{followed.path} ends in a record that is not whole")
        self.tally["note_torn"] += 1
        await self._hand_on(reading.take(len(reading.rest)), followed)
        followed.torn_since = None
        return True

    async def _hand_on(self, piece: Piece, followed: Followed) -> None:
        """Sends the events of whole records, waiting for room; raises what stopped the stream."""
        refused = _Refused(self.tally)
        for count, outcome in self._reader(piece.file, refused, 0):
            if isinstance(outcome, Passed):
                self.tally[outcome.reason] += 1
            elif outcome is not None:
                self.tally["event"] += 1
                called, caller, occurred_at, kind = outcome
                await self._sink.send_wait(called, caller, occurred_at, EventKind(kind))
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
        for reason in refused.reasons:
            where = f"in octets {followed.place.offset:,} to {piece.end:,}"
            self._lose(f"{followed.path}, {where}: {reason}")
        followed.place.go_on(piece.octets, piece.end)
        await asyncio.sleep(0)

    async def _remember(self) -> None:
        """Learns which calls were seen before, from the records in front of each place."""
        wanted: list[tuple[Followed, int]] = []
        room = REMEMBERED
        newest = sorted(self._files.followed, key=lambda each: each.mtime_ns, reverse=True)
        for followed in newest:
            begin = next(
                (back for back in followed.place.back if followed.place.offset - back <= room),
                followed.place.offset,
            )
            if begin >= followed.place.offset:
                if followed.place.offset:
                    break
                continue
            room -= followed.place.offset - begin
            wanted.insert(0, (followed, begin))
        for followed, begin in wanted:
            with suppress(OSError, TableError):  # met again when it is read
                await self._read_again(followed, begin)
        self._remembers = True

    async def _read_again(self, followed: Followed, begin: int) -> None:
        self._reader.latest = int(self._clock()) + AHEAD_S_MAX
        with opened(followed.path, followed.key, followed.held) as file:
            reading = Reading(file, self._shape, begin, followed.place.offset)
            while piece := await asyncio.to_thread(reading.next):
                self._reader.remember(piece.file)
                await asyncio.sleep(0)
            if self._shape.whole is None:
                self._reader.remember(reading.take(len(reading.rest)).file)

    def _lose(self, words: str) -> None:
        now = self._clock()
        begin = math.floor(self._heard - self._longest_call_s)
        self._say(f"{words}: what began since {moment(begin)} is not claimed")
        self._lose_(begin, int(now) + 1)


class _Refused:
    """What takes the records that cannot be read: counts them by reason."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.reasons: set[str] = set()

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one."""
        name = reason.split(":", 1)[0]
        self._tally[name] += 1
        self.reasons.add(name)
