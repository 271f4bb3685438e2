"""A tap on a live interface: capture, relay and reader, each in a thread, and the loop that sends.

    tcpdump -> pump -> Relay (tshark) -> reader -> loop -> EventStream

The pump gives frames to the relay, and a mark about once a second; when a mark has come out, all
frames before it have been read, and what was heard moves on to the moment that it stands for. What
waits for a caller or for digits holds that back.

Lost, and said to be: what the kernel dropped, what a tshark had in hands that died or hung, what
came while tcpdump was replaced, and the second of a message that cannot be read.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ringfence.adapters.base import Attempt, EventSink, Tally, Unreadable
from ringfence.adapters.calls import LEG_S
from ringfence.adapters.tap.capture import Capture, Heard, NoCapture
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.reader import Outcome, TapReader
from ringfence.adapters.tap.relay import Lost, Mark, Relay
from ringfence.wording.tables import TableError

MARK_S = 1.0
SILENT_S = 10.0
"""A tcpdump that says nothing for so long, though asked each second, is replaced."""
AGAIN_S = 1.0
BEHIND_S = float(LEG_S)
"""Behind a loss: parts of messages, and hops of attempts, whose beginning was lost come so late."""
PARCELS_MAX = 256
PARCEL_OUTCOMES = 1_024
CLOSE_S = 20.0
_NANO = 10**9


class _Marked(NamedTuple):
    number: int
    heard: float
    """Unix seconds: what came before is in front of the mark."""
    oldest: float
    """Of the frames between the mark before and this one; infinity = there are none."""


class _Parcel(NamedTuple):
    """From the reader's thread to the loop, in its order."""

    outcomes: list[Outcome]
    lost: list[tuple[int, int]]
    heard: float | None


class TapSource:
    """A `Source` of what a core network's signalling on one interface tells.

    `start_capture` begins a capture; `clock` gives unix seconds.
    """

    def __init__(
        self,
        start_capture: Callable[[], Capture],
        start_relay: Callable[[], Relay],
        reader: TapReader,
        sink: EventSink,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._start_capture = start_capture
        self._start_relay = start_relay
        self._reader = reader
        self._sink = sink
        self._clock = clock
        self.tally = Tally()
        self.heard_until = clock()
        """Unix seconds: up to then all is handed on, or was said to be lost."""
        self._captured_until = self.heard_until
        """The same, as the pump knows it; what follows is lost if a capture ends."""
        self._dropped = 0
        self._answer: Heard | None = None
        """What tcpdump had said when the pump began to wait."""
        self._oldest = math.inf
        """Of the frames behind the last mark."""
        self._marks: deque[_Marked] = deque()
        """Those that have not come out."""
        self._mark = 0
        self._marked_at = 0.0
        self._lost: deque[tuple[float, float]] = deque()
        self._capture: Capture
        self._relay: Relay
        self._failure: asyncio.Future[None]
        self._stopping = threading.Event()
        self._room = threading.BoundedSemaphore(PARCELS_MAX)

    async def open(self) -> str:
        """Begins to capture."""
        self._relay = await asyncio.to_thread(self._start_relay)
        try:
            self._capture = await asyncio.to_thread(self._start_capture)
        except NoCapture:
            self._relay.close()
            raise
        self.heard_until = self._captured_until = self._clock()
        return "capture=tcpdump"

    async def start(self) -> None:
        """Begins to hand on."""
        self._loop = asyncio.get_running_loop()
        self._failure = self._loop.create_future()
        self._pump = threading.Thread(target=self._guarded, args=(self._give_all,), daemon=True)
        self._reads = threading.Thread(target=self._guarded, args=(self._read_all,), daemon=True)
        self._pump.start()
        self._reads.start()

    async def failed(self) -> None:
        """Waits until listening has failed for good, and raises what it failed with."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Ends the capture, and hands on what it had."""
        self._stopping.set()
        self._capture.stop()
        try:
            for thread in (self._pump, self._reads):
                await asyncio.to_thread(thread.join, CLOSE_S)
        finally:
            await asyncio.to_thread(self._relay.close)
            await asyncio.to_thread(self._capture.close)
        if self._failure.done():
            self._failure.result()

    def look(self) -> None:
        """Asks tcpdump how it is, and ends one that does not answer: another follows."""
        self._capture.ask()
        if self._clock() - self._capture.answered_at > SILENT_S:
            self.tally["note_capture_hung"] += 1
            self._capture.answered_at = self._clock()
            self._capture.kill()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a thread has nobody above it
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    # The pump's thread

    def _give_all(self) -> None:
        """Hands on all frames of one capture after another."""
        try:
            while True:
                try:
                    for frame in self._capture.frames(self._idle):
                        at = frame.at_ns / _NANO
                        self._oldest = min(self._oldest, at)
                        self._relay.give(frame)
                        now = self._clock()
                        if now - self._marked_at >= MARK_S:
                            self._say_heard(self._capture.heard, now, at)
                except TableError:
                    self.tally["note_capture_cut"] += 1
                if not self._stopping.is_set():
                    self._replace_capture()
                if self._stopping.is_set():
                    break
            self._give_mark(self._captured_until)
        finally:
            self._relay.end()

    def _idle(self) -> None:
        """No frame came for a while: those are read that an answer from before that speaks of."""
        answer, self._answer = self._answer, self._capture.heard
        now = self._clock()
        if now - self._marked_at >= MARK_S:
            self._say_heard(answer, now, now)

    def _say_heard(self, heard: Heard | None, now: float, read_until: float) -> None:
        """Marks how far frames were captured, if tcpdump has said so."""
        if heard is None:
            return
        if heard.dropped > self._dropped:
            self.tally["note_dropped_by_kernel"] += heard.dropped - self._dropped
            self._lost.append((self._captured_until, now))
            self._dropped = heard.dropped
        self._marked_at = now
        self._captured_until = max(self._captured_until, min(heard.at, read_until))
        self._give_mark(self._captured_until)

    def _give_mark(self, heard: float) -> None:
        self._mark += 1
        self._marks.append(_Marked(self._mark, heard, self._oldest))
        self._oldest = math.inf
        self._relay.mark(self._mark)

    def _replace_capture(self) -> None:
        """Waits until another capture runs; what came meanwhile is lost."""
        self.tally["note_capture_replaced"] += 1
        self._capture.close()
        while not self._stopping.wait(AGAIN_S):
            try:
                capture = self._start_capture()
            except NoCapture:
                self.tally["note_capture_failed"] += 1
                continue
            break
        else:
            return
        now = self._clock()
        self._lost.append((self._captured_until, now))
        self._captured_until = now
        self._dropped = 0
        self._answer = None
        self._capture = capture
        if self._stopping.is_set():
            capture.stop()

    # The reader's thread

    def _read_all(self) -> None:
        """Makes parcels of what tshark prints."""
        outcomes: list[Outcome] = []
        heard = told = self.heard_until
        for printed in self._relay.lines():
            lost: list[tuple[float, float]] = []
            said: float | None = None
            if isinstance(printed, Packet):
                for outcome in self._reader.read(printed):
                    outcomes.append(outcome)
                    if isinstance(outcome, Unreadable):
                        lost.append((printed.at, printed.at))
            elif isinstance(printed, Lost):
                deaf = printed.since is not None
                self.tally["note_segment_missing" if deaf else "note_tshark_replaced"] += 1
                lost.append(self._behind(told, printed.since))
            else:
                said = heard = self._heard_at(printed, heard)
                outcomes += self._reader.due(heard)
                while self._lost:
                    began, ended = self._lost.popleft()
                    lost.append((min(told, began), ended + BEHIND_S))
                said = told = min(heard, self._reader.waits_since(heard))
            if lost or said is not None or len(outcomes) >= PARCEL_OUTCOMES:
                self._send(outcomes, lost, said)
                outcomes = []
        outcomes += self._reader.due(math.inf)
        self._send(outcomes, [(min(told, began), ended) for began, ended in self._lost], heard)

    def _behind(self, told: float, since: float | None) -> tuple[float, float]:
        """What is lost with the frames behind the last mark that came out.

        What waits for a caller or digits is among it, as these may be lost; and so are frames that
        came later than they were expected.
        """
        oldest = min((each.oldest for each in list(self._marks)), default=math.inf)
        began = min(told, oldest, self._oldest, told if since is None else since)
        return began, self._clock() + BEHIND_S

    def _heard_at(self, mark: Mark, before: float) -> float:
        """What a mark stands for; one that was overtaken is passed over."""
        while self._marks and self._marks[0].number <= mark.number:
            before = self._marks.popleft().heard
        return before

    def _send(
        self, outcomes: list[Outcome], lost: list[tuple[float, float]], heard: float | None
    ) -> None:
        whole = [(int(begin), int(end) + 1) for begin, end in lost]
        self._room.acquire()  # the loop never waits for a server, so this is soon
        self._loop.call_soon_threadsafe(self._take, _Parcel(outcomes, whole, heard))

    # The loop's thread

    def _take(self, parcel: _Parcel) -> None:
        self._room.release()
        for began_at, ended_at in parcel.lost:  # first, so that no claim goes out in between
            self._sink.lose(began_at, ended_at)
        try:
            for outcome in parcel.outcomes:
                if isinstance(outcome, Attempt):
                    self.tally["event"] += 1
                    if not self._sink.send(
                        outcome.called, outcome.caller, outcome.occurred_at, outcome.kind
                    ):
                        self.tally["note_dropped_no_room"] += 1
                else:
                    self.tally[str(outcome)] += 1
        except Exception as error:  # a callback of the loop has nobody above it
            self._fail(error)
        if parcel.heard is not None:
            self.heard_until = max(self.heard_until, parcel.heard)
