"""A `Source` of captures that another program writes, file after file, into a folder.

A file is read when the next one has been begun, or when nobody has written to it for a minute: a
capture that grows ends in half a frame. The frames of a file prove that all was heard up to the
last of them, and claims go on from file to file.

A file that was removed unread, or that is damaged, is lost time; so is what a tshark that died had
in hands. A run that goes on where another one was reads the last files again, for what waited at
their end for a caller, for digits or for the rest of a message.
"""

from __future__ import annotations

import asyncio
import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO, Any, TypeVar

from ringfence.adapters.base import Attempt, EventSink, Unreadable
from ringfence.adapters.calls import LEG_S
from ringfence.adapters.cdr.follow.files import Files, Followed
from ringfence.adapters.cdr.follow.looking import LOOK_S, Looking, moment
from ringfence.adapters.cdr.follow.place import TAIL_MAX
from ringfence.adapters.cdr.follow.reading import Moved, opened
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.adapters.tap.capture_stream import CaptureStream
from ringfence.adapters.tap.reader import Outcome
from ringfence.adapters.tap.relay import Relay
from ringfence.wording.tables import TableError

SETTLED_S = 2.0
"""A file that is followed by another was not written to for so long."""
LAST_S = 60.0
"""One that is followed by none, and that may be the last, for so long."""
REMEMBERED_S = 30.0
"""What waits at the end of a file has begun by then."""
REMEMBERED_FILES = 8
AT_ONCE = 512
"""Outcomes that are handed on before others get their turn."""
_PIECE = 1 << 18
_Of = TypeVar("_Of")
_BEHIND_S = LEG_S  # hops of attempts whose first one was lost come so late


class CaptureFollower(Looking):
    """Reads capture files when they are whole, in the order in which they were written."""

    def __init__(
        self,
        files: Files,
        relay: Relay,
        stream: CaptureStream,
        sink: EventSink,
        say: Callable[[str], None],
        *,
        heard: float,
        resumed: bool,
        lose: Callable[[int, int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(files, sink, say, heard=heard, lose=lose, clock=clock)
        self._relay = relay
        self._stream = stream
        self._remembers = not resumed
        last = max(_read(files), key=lambda each: each.mtime_ns, default=None)
        self._read_last = (last.key, last.path) if last else None
        """By an earlier run."""
        self._read_until = heard
        """Unix seconds: the frames up to there were given to tshark."""

    async def close(self) -> None:
        """Stops; what was not read to its end is read by the next run."""
        self._stop.set()
        await asyncio.to_thread(self._relay.close)  # so that nobody waits for tshark
        await super().close()

    async def read_all(self) -> None:
        """Reads the files that are whole now."""
        began = self._clock()
        look = await self._listed(began)
        if look is None:
            return
        for words in look.lost:
            self._lose(words)
        if not self._remembers:
            await self._remember()
        for followed in self._whole(look.to_read, began):
            if not await self._read(followed, began) or self._stop_wanted():
                return
        self._files.looked_at = began

    def _whole(self, to_read: list[Followed], now: float) -> list[Followed]:
        """Those that nobody writes to any more, up to the first of which that is not sure."""
        newest = max((each.mtime_ns for each in self._files.followed), default=0)
        whole = []
        for each in sorted(to_read, key=lambda each: (each.mtime_ns, each.path)):
            quiet_s = now - each.mtime_ns / 1e9
            if quiet_s < (SETTLED_S if each.mtime_ns < newest else LAST_S):
                break
            whole.append(each)
        return whole

    async def _read(self, followed: Followed, began: float) -> bool:
        """Hands on what is in a file; whether the next one may be read."""
        as_of = (followed.size, followed.mtime_ns)
        troubles = self._files.troubles
        latest = int(began) + AHEAD_S_MAX
        with ExitStack() as stack:
            try:
                octets = stack.enter_context(opened(followed.path, followed.key, followed.held))
                if followed.place.offset and await asyncio.to_thread(_ends_at, octets, followed):
                    followed.read_as = as_of  # under another name, or packed meanwhile
                    return True
                octets.seek(0)
                tailed = _Tailed(octets)
                outcomes = self._stream.outcomes(io.BufferedReader(tailed, _PIECE))
                await self._hand_on(outcomes, followed, latest)
            except Moved:
                return False
            except OSError as error:
                troubles.meet(followed.key, followed, error, began, self._files.looked_at)
                return False
            except TableError as error:
                if self._stop_wanted():
                    return False
                self.tally["note_damaged"] += 1
                self._lose(f"{followed.path}: {error}")
        if self._stop_wanted():
            return False
        troubles.over(followed.key)
        followed.place.go_on(tailed.tail, tailed.count)
        followed.read_as = as_of
        self._read_until = max(self._read_until, self._stream.last_at)
        sure = ((0, 0, each) for each in self._stream.reader.due(self._read_until))
        await self._hand_on(sure, followed, latest)
        waits_since = self._stream.reader.waits_since(self._read_until)
        self._heard = max(self._heard, min(self._read_until, waits_since))
        return True

    async def _hand_on(
        self, outcomes: Iterator[tuple[int, int, Outcome]], followed: Followed, latest: int
    ) -> None:
        damaged: TableError | None = None
        while damaged is None:
            batch, damaged = await asyncio.to_thread(_batch, outcomes)
            if not batch:
                break
            for number, at, outcome in batch:
                if isinstance(outcome, Attempt) and outcome.occurred_at > latest:
                    self.tally["time_ahead"] += 1
                elif isinstance(outcome, Attempt):
                    self.tally["event"] += 1
                    await self._sink.send_wait(
                        outcome.called, outcome.caller, outcome.occurred_at, outcome.kind
                    )
                else:
                    self._count(outcome, at, f"{followed.path}, frame {number}")
            if self._stop_wanted():
                return
            if time.monotonic() - self._listed_at >= LOOK_S:  # holds what would be gone by the end
                look = await self._listed(self._clock())
                for words in look.lost if look else ():
                    self._lose(words)
        if damaged is not None:
            raise damaged

    def _took_s(self, whole_s: float) -> float:
        return self._listed_s

    def _count(self, outcome: str | Unreadable, at: int, where: str) -> None:
        if not isinstance(outcome, Unreadable):
            self.tally[outcome] += 1
        elif outcome.reason.startswith("lost behind it"):
            self.tally["note_tshark_replaced"] += 1
            self._say(f"{where}: {outcome.reason}")
            ended = max(at, self._stream.last_at) + _BEHIND_S
            self._lose_(math.floor(self._heard), math.floor(ended) + 1)
        else:
            self.tally[outcome.reason] += 1
            self._lose_(at, at + 1)

    async def _remember(self) -> None:
        """Reads the files again that were read last; what was made of them has been sent."""
        read = sorted(_read(self._files), key=lambda each: (each.mtime_ns, each.path))
        since = read[-1].mtime_ns - REMEMBERED_S * 1e9 if read else 0
        for followed in [each for each in read if each.mtime_ns >= since][-REMEMBERED_FILES:]:
            try:
                with opened(followed.path, followed.key, followed.held) as octets:
                    await asyncio.to_thread(_exhaust, self._stream.outcomes(octets))
                _exhaust(self._stream.reader.due(self._stream.last_at))
            except (OSError, TableError):
                self._lose(f"{followed.path}, which was read before, cannot be read again")
        if self._read_last and self._read_last[0] not in {each.key for each in read}:
            self._lose(f"{self._read_last[1]}, which was read last, is gone")
        self._remembers = True

    def _lose(self, words: str) -> None:
        now = self._clock()
        begin = math.floor(self._heard)
        self._say(f"{words}: what came since {moment(begin)} is not claimed")
        self._lose_(begin, int(now) + 1)


class _Tailed(io.RawIOBase):
    """Counts what is read, and keeps the end of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        octets = self._file.read(len(buffer))
        buffer[: len(octets)] = octets
        self.count += len(octets)
        self.tail = (self.tail + octets[-TAIL_MAX:])[-TAIL_MAX:]
        return len(octets)


def _read(files: Files) -> list[Followed]:
    """Files that were read."""
    return [each for each in files.followed if each.is_read and each.place.offset]


def _ends_at(file: IO[bytes], followed: Followed) -> bool:
    """Whether a file holds what was read of it before, and nothing behind that."""
    return followed.place.ends_in(file) and not file.read(1)


def _batch(outcomes: Iterator[_Of]) -> tuple[list[_Of], TableError | None]:
    """Some outcomes, and why no others follow where a file is damaged."""
    batch: list[_Of] = []
    try:
        batch.extend(islice(outcomes, AT_ONCE))
    except TableError as error:
        return batch, error
    return batch, None


def _exhaust(outcomes: Iterator[object]) -> None:
    for _ in outcomes:
        pass
