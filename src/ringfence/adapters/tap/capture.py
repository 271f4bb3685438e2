"""tcpdump as a process of its own, with CAP_NET_RAW and no other privilege.

A capture that falls behind loses frames in the kernel and says so only when it is asked: SIGUSR1
makes tcpdump tell on standard error how many. An answer that comes at once also says that it is
neither stopped nor starved, so that what came more than a moment ago is in the pipe.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, cast

from ringfence.adapters.tap.frames import Frame, frames_of

BUFFER_KIB = 65_536
"""Of the kernel, between it and tcpdump; 2 MiB are lost in a second of a busy link."""
DELIVERED_S = 1.5
"""What the kernel holds frames back for, at most, when there are few of them: tcpdump says 1 s."""
PROMPT_S = 0.5
_IDLE_S = 0.2
_PIECE = 1 << 18
_READY_S = 10.0
_STATISTICS = re.compile(rb"(\d+) packets? dropped by kernel")
_LISTENING = re.compile(rb"listening on ")
_UNPRIVILEGED = (
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"),
    *("--inh-caps", "-all,+net_raw", "--ambient-caps", "+net_raw"),
    *("--bounding-set", "-all,+net_raw"),
)


class NoCapture(Exception):
    """Nothing can be captured here; the argument is a sentence that says why."""


class Heard(NamedTuple):
    """An answer: all that came before `at` is in the pipe, unix seconds."""

    at: float
    dropped: int
    """By the kernel, since the capture began."""


class Capture:
    """Frames of one interface, from one run of tcpdump."""

    def __init__(
        self, interface: str, filter_: str = "", *, clock: Callable[[], float] = time.time
    ) -> None:
        """Begins to capture. Raises NoCapture."""
        if shutil.which("tcpdump") is None:
            raise NoCapture("tcpdump is not installed: apt-get install tcpdump")
        self._clock = clock
        self._asked_at: float | None = None
        self.heard: Heard | None = None
        """The latest answer that came at once."""
        self.answered_at = clock()
        """When it last said anything."""
        self._said: bytes = b""
        self._ready = threading.Event()
        as_nobody = _UNPRIVILEGED if os.geteuid() == 0 else ()
        self._process = subprocess.Popen(
            (
                *as_nobody,
                *("tcpdump", "-i", interface, "-n", "-U", "-s", "0", "-B", str(BUFFER_KIB)),
                *("--time-stamp-precision=nano", "-w", "-", "--", *([filter_] if filter_ else [])),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        if not self._ready.wait(_READY_S) or self._process.poll() is not None:
            self.close()
            words = self._said.decode("utf-8", "replace").strip()
            raise NoCapture(f"cannot capture on {interface}: {words or 'tcpdump says nothing'}")

    def frames(self, idle: Callable[[], None]) -> Iterator[Frame]:
        """The frames until it ends; `idle` is called while none comes. Raises TableError."""
        return frames_of(cast(IO[bytes], _Waiting(_fileno(self._process.stdout), idle)))

    def ask(self) -> None:
        """Asks it how it is."""
        if self._asked_at is None and self._process.poll() is None:
            self._asked_at = self._clock()
            self._process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Asks it to end: what it has captured still comes."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once, be it stopped: its frames end."""
        self._process.kill()

    def close(self) -> None:
        """Ends it at once, be it stopped, and leaves nothing open; more than once does no harm."""
        self._process.kill()
        self._process.wait()
        self._listening.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None, "it is a pipe"
        for line in self._process.stderr:
            if _LISTENING.search(line):
                self._ready.set()
            elif found := _STATISTICS.search(line):
                self._answered(int(found[1]))
            else:
                self._said = line[:1_024]
        self._ready.set()

    def _answered(self, dropped: int) -> None:
        asked_at, self._asked_at = self._asked_at, None
        self.answered_at = self._clock()
        if asked_at is not None and self.answered_at - asked_at <= PROMPT_S:
            self.heard = Heard(asked_at - DELIVERED_S, dropped)


class _Waiting:
    """Reads a pipe, and says when there is nothing in it."""

    def __init__(self, descriptor: int, idle: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._idle = idle
        self._held = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        """So many octets; fewer only at the end."""
        while len(self._held) - self._at < count:
            if not self._held[self._at :]:
                while not select.select([self._descriptor], [], [], _IDLE_S)[0]:
                    self._idle()
            octets = os.read(self._descriptor, _PIECE)
            if not octets:
                break
            self._held = self._held[self._at :] + octets
            self._at = 0
        begin, self._at = self._at, min(self._at + count, len(self._held))
        return self._held[begin : self._at]


def _fileno(pipe: IO[bytes] | None) -> int:
    assert pipe is not None, "it is a pipe"
    return pipe.fileno()
