"""One capture and its tshark: tcpdump -> pump -> Relay (tshark) -> what was printed.

The pump gives frames to the relay, and a mark about once a second; when a mark has come out, all
frames before it have been read, and what was heard moves on to the moment that it stands for.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ringfence.adapters.base import Tally
from ringfence.adapters.calls import LEG_S
from ringfence.adapters.tap.capture import Capture, Heard, NoCapture
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.relay import Lost, Mark, Relay
from ringfence.wording.tables import TableError

MARK_S = 1.0
SILENT_S = 10.0
"""A tcpdump that says nothing for so long, though asked each second, is replaced."""
AGAIN_S = 1.0
BEHIND_S = float(LEG_S)
"""Behind a loss: parts of messages, and hops of attempts, whose beginning was lost come so late."""
_NANO = 10**9


class _Marked(NamedTuple):
    number: int
    heard: float
    """Unix seconds: what came before is in front of the mark."""
    oldest: float
    """Of the frames between the mark before and this one; infinity = there are none."""


class HeardUntil(NamedTuple):
    """All frames that came before `at` have been read, or are lost."""

    at: float


class Gone(NamedTuple):
    """Frames are lost, from what was said to be heard last, or from `began` if that is earlier."""

    began: float
    ended: float


class OneTap:
    """Frames of one interface, or a share of them. Times are unix seconds.

    `tally` is the source's: of several threads each counts names of its own, or few.
    """

    def __init__(
        self,
        start_capture: Callable[[], Capture],
        start_relay: Callable[[], Relay],
        tally: Tally,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._start_capture = start_capture
        self._start_relay = start_relay
        self._tally = tally
        self._clock = clock
        self._captured_until = clock()
        """What follows is lost if a capture ends."""
        self._dropped = 0
        self._answer: Heard | None = None
        """What tcpdump had said when the pump began to wait."""
        self._oldest = math.inf
        """Of the frames behind the last mark."""
        self._marks: deque[_Marked] = deque()
        """Those that have not come out."""
        self._mark = 0
        self._marked_at = 0.0
        self._lost: deque[Gone] = deque()
        self._capture: Capture
        self._relay: Relay
        self._stopping = threading.Event()

    def open(self) -> None:
        """Begins to capture. Raises NoCapture, NoTshark."""
        self._relay = self._start_relay()
        try:
            self._capture = self._start_capture()
        except NoCapture:
            self._relay.close()
            raise
        self._captured_until = self._clock()

    def stop(self) -> None:
        """Ends the capture; what it had still comes."""
        self._stopping.set()
        self._capture.stop()

    def close(self) -> None:
        """Ends all processes."""
        self._relay.close()
        self._capture.close()

    def look(self) -> None:
        """Asks tcpdump how it is, and ends one that does not answer: another follows."""
        self._capture.ask()
        if self._clock() - self._capture.answered_at > SILENT_S:
            self._tally["note_capture_hung"] += 1
            self._capture.answered_at = self._clock()
            self._capture.kill()

    # The pump's thread

    def give_all(self) -> None:
        """Hands on all frames of one capture after another, until it is stopped."""
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
                    self._tally["note_capture_cut"] += 1
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
            self._tally["note_dropped_by_kernel"] += heard.dropped - self._dropped
            self._lost.append(Gone(self._captured_until, now + BEHIND_S))
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
        self._tally["note_capture_replaced"] += 1
        self._capture.close()
        while not self._stopping.wait(AGAIN_S):
            try:
                capture = self._start_capture()
            except NoCapture:
                self._tally["note_capture_failed"] += 1
                continue
            break
        else:
            return
        now = self._clock()
        self._lost.append(Gone(self._captured_until, now + BEHIND_S))
        self._captured_until = now
        self._dropped = 0
        self._answer = None
        self._capture = capture
        if self._stopping.is_set():
            capture.stop()

    # The reader's thread

    def printed(self) -> Iterator[Packet | Gone | HeardUntil]:
        """What tshark prints, in its order, until the end of the capture."""
        heard = -math.inf
        for printed in self._relay.lines():
            if isinstance(printed, Packet):
                yield printed
            elif isinstance(printed, Lost):
                deaf = printed.since is not None
                self._tally["note_segment_missing" if deaf else "note_tshark_replaced"] += 1
                yield self._behind(printed.since)
            else:
                while self._lost:
                    yield self._lost.popleft()
                heard = self._heard_at(printed, heard)
                yield HeardUntil(heard)
        yield from list(self._lost)

    def _behind(self, since: float | None) -> Gone:
        """What is lost with the frames behind the last mark that came out.

        Frames that came later than they were expected are among it.
        """
        oldest = min((each.oldest for each in list(self._marks)), default=math.inf)
        began = min(oldest, self._oldest, math.inf if since is None else since)
        return Gone(began, self._clock() + BEHIND_S)

    def _heard_at(self, mark: Mark, before: float) -> float:
        """What a mark stands for; one that was overtaken is passed over."""
        while self._marks and self._marks[0].number <= mark.number:
            before = self._marks.popleft().heard
        return before
