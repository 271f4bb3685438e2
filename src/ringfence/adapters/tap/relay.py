"""One stream of frames through one tshark after another, nothing lost or printed twice.

tshark remembers each frame, so it grows and is replaced in time: the next one gets the frames of
the last seconds again, so that what was under way is put together there too, and its lines for
frames that the one before has printed are dropped. A TCP connection that lacks a segment is deaf
for good in one tshark, and not in the next.

What tshark dies of, or hangs at, is not given to the next one: frames that were under way are lost,
and said to be.

`give`, `mark` and `end` belong to one thread, `lines` to another. Frames that nobody has read yet
wait in pipes: who gives waits for who reads.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from ringfence.adapters.tap.frames import Frame
from ringfence.adapters.tap.gaps import Gaps
from ringfence.adapters.tap.packets import Packet, packet_of
from ringfence.adapters.tap.tshark import Tshark

FRAMES_MAX = 300_000
MEMORY_MAX = 600 << 20
AGAIN_S = 6
AGAIN_BYTES_MAX = 64 << 20
_OUT_OF_REACH_S = AGAIN_S + 1
"""A gap that is older is not among what the next tshark gets again, which then hears behind it."""
DEAF_S = 60
"""How often a lost TCP segment is a reason, at most."""
HANGS_S = 10.0
PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_FRAMES = 4_096
_NANO = 10**9
_BEAT_S = 1
_BEAT = 0
"""A mark by which the relay itself learns how far tshark is."""
_DEAF = "a segment of a TCP connection is missing"


class Mark(NamedTuple):
    """All frames before the mark have been read."""

    number: int


class Lost(NamedTuple):
    """Frames were lost, behind the last mark: a tshark ended with them, or a segment is missing."""

    why: str
    since: float | None = None
    """Unix seconds of the frames; None = the last mark, or packet."""


@dataclass(slots=True, eq=False)
class _Run:
    tshark: Tshark
    before: int
    """Frames of the stream before the first one that it got."""
    known: int
    """Those up to here were printed by others."""
    given: int = 0
    """Frames and marks."""
    marks: int = 0
    """That it has printed: it numbers them as well."""
    owed: deque[int] = field(default_factory=deque)
    """Marks that it got and has not printed."""
    is_whole: bool = False
    """It got all that it was to get."""
    is_over: bool = False
    """It prints nothing more."""
    gaps: Gaps = field(default_factory=Gaps)


class Relay:
    """Frames go in, packets come out, in the order of the frames."""

    def __init__(
        self,
        start: Callable[[], Tshark],
        *,
        frames_max: int = FRAMES_MAX,
        memory_max: int = MEMORY_MAX,
        hangs_s: float = HANGS_S,
    ) -> None:
        self._start = start
        # A sandbox ends with the thread that started it: this one lives as long as the relay.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="tshark")
        self._frames_max = frames_max
        self._memory_max = memory_max
        self._hangs_s = hangs_s
        self._count = 0
        self._again: deque[Frame] = deque()
        """What the next tshark gets again."""
        self._again_bytes = 0
        self._deaf = False
        self._deaf_at_ns = 0
        self._beaten_at_ns = 0
        self._latest_ns = 0
        self._runs: SimpleQueue[_Run | None] = SimpleQueue()
        self._open: set[_Run] = set()
        self._waits_since: float | None = None
        self._writes_since: float | None = None
        self._reading: _Run | None = None
        self._closed = threading.Event()
        self.replaced = 0
        """How often one tshark took over from another."""
        self._run: _Run
        self._run = self._begin(known=0)
        threading.Thread(target=self._watch, daemon=True).start()

    def give(self, frame: Frame) -> None:
        """Hands on a frame."""
        self._latest_ns = frame.at_ns
        if self._is_due():
            self._replace()
        if abs(frame.at_ns - self._beaten_at_ns) >= _BEAT_S * _NANO:
            self._beaten_at_ns = frame.at_ns
            self.mark(_BEAT)
        if self._run.is_over:  # which was told before this frame came: it is none of its frames
            self._renew()
        self._count += 1
        self._remember(frame)
        self._write(frame, self._run)

    def mark(self, number: int) -> None:
        """Asks for a Mark, 1 to 2^32 - 1, when all before it has been read."""
        self._run.owed.append(number)
        self._write(number, self._run)

    def end(self) -> None:
        """No frames follow."""
        self._finish()
        self._runs.put(None)

    def close(self) -> None:
        """Ends all processes, whatever they are at."""
        self._closed.set()
        for run in list(self._open):
            run.tshark.close()
        self._starter.shutdown()

    def lines(self) -> Iterator[Packet | Mark | Lost]:
        """What was printed, until the end; numbers of packets are those of the stream."""
        while (run := self._runs.get()) is not None:
            self._reading = run
            yield from self._lines(run)
            run.tshark.close()
            self._open.discard(run)
            if self._closed.is_set():
                return

    def _lines(self, run: _Run) -> Iterator[Packet | Mark | Lost]:
        while True:
            self._waits_since = time.monotonic()
            what, *cells = run.tshark.lines.readline().decode("utf-8", "replace").split("\t", 1)
            self._waits_since = None
            if what == "packet":
                packet = packet_of(f"{what}\t{cells[0]}")
                number = run.before + packet.number - run.marks
                if number > run.known:
                    yield packet._replace(number=number)
            elif what == "mark":
                at, mark = cells[0].split("\t")
                run.marks += 1
                run.owed.popleft()
                if run.gaps.are_there(float(at), _OUT_OF_REACH_S):
                    self._deaf = True
                if int(mark) != _BEAT:
                    if run.gaps.are_there(float(at)):
                        yield Lost(_DEAF, run.gaps.since)
                    yield Mark(int(mark))
            elif what in ("gap", "late"):
                run.gaps.take(what, cells[0])
            elif not what:
                break
        run.is_over = True  # before that is said, so that no frame is lost behind it
        why = run.tshark.why_ended()
        if not run.is_whole or run.tshark.has_failed:
            yield Lost(why)
        elif run.gaps.are_there(float("inf")):
            yield Lost(_DEAF, run.gaps.since)
        yield from (Mark(mark) for mark in list(run.owed) if mark != _BEAT)

    def _begin(self, *, known: int) -> _Run:
        before = known - len(self._again)
        run = _Run(self._starter.submit(self._start).result(), before, known)
        self._open.add(run)
        self._runs.put(run)
        return run

    def _is_due(self) -> bool:
        if self._run.given >= self._frames_max:
            return True
        if self._deaf and abs(self._latest_ns - self._deaf_at_ns) >= DEAF_S * _NANO:
            self._deaf_at_ns = self._latest_ns
            return True
        return (
            self._run.given % _LOOK_FRAMES == _LOOK_FRAMES - 1
            and resident_bytes(self._run.tshark.pid) >= self._memory_max
        )

    def _replace(self) -> None:
        """The next tshark begins with what was seen in the last seconds."""
        self._finish()
        self._deaf = False
        self.replaced += 1
        run = self._run = self._begin(known=self._count)
        for frame in list(self._again):
            if self._run is run:
                self._write(frame, run)

    def _renew(self) -> None:
        """Goes on behind a tshark that ended by itself.

        What it ended at may be among the frames of the last seconds: nobody gets them again.
        """
        self._again.clear()
        self._again_bytes = 0
        self.replaced += 1
        self._run = self._begin(known=self._count)

    def _finish(self) -> None:
        self._run.is_whole = True
        try:
            self._run.tshark.end()
        except BrokenPipeError:
            self._run.is_whole = False

    def _remember(self, frame: Frame) -> None:
        self._again.append(frame)
        self._again_bytes += _size(frame)
        oldest_ns = self._latest_ns - AGAIN_S * _NANO
        while self._again_bytes > AGAIN_BYTES_MAX or self._again[0].at_ns < oldest_ns:
            self._again_bytes -= _size(self._again.popleft())

    def _write(self, given: Frame | int, run: _Run) -> None:
        """Hands on a frame, or a mark."""
        run.given += 1
        try:
            self._writes_since = time.monotonic()
            if run.is_over:
                raise BrokenPipeError
            if isinstance(given, int):
                run.tshark.mark(given, self._latest_ns)
            else:
                run.tshark.give(given)
        except BrokenPipeError:
            if self._closed.is_set():
                raise
            self._renew()
            if isinstance(given, int):  # which nothing ends at
                self.mark(given)
        finally:
            self._writes_since = None

    def _watch(self) -> None:
        """Ends a tshark that prints nothing of what it was given."""
        while not self._closed.wait(1.0):
            run, reads, writes = self._reading, self._waits_since, self._writes_since
            if run is None or reads is None or time.monotonic() - reads < self._hangs_s:
                continue
            is_full = writes is not None and time.monotonic() - writes >= self._hangs_s
            if run.is_whole or run.owed or (is_full and run is self._run):
                run.tshark.kill()


def _size(frame: Frame) -> int:
    return 64 + len(frame.octets)


def resident_bytes(pid: int) -> int:
    """Memory of a process and of those that it started; 0 of one that has gone."""
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return 0
    return resident + sum(resident_bytes(int(child)) for child in children)
