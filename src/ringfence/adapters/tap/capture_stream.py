"""Capture files, one after another, as one stream of frames through one tshark and one reader."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.unpacked import in_words, unpacked
from ringfence.adapters.tap.frames import frames_of
from ringfence.adapters.tap.reader import Outcome, TapReader
from ringfence.adapters.tap.relay import Lost, Mark, Relay

_NANO = 10**9


class CaptureStream:
    """Reads one file after the other; for one thread at a time."""

    def __init__(self, relay: Relay, reader: TapReader) -> None:
        self.reader = reader
        self._relay = relay
        self._packets = relay.lines()
        self._frames = 0
        """That tshark was given before the file that is being read."""
        self._mark = 0
        self.last_at = -math.inf
        """Of the frames of the file that was read last, unix seconds; so far goes a loss."""

    def outcomes(self, file: IO[bytes]) -> Iterator[tuple[int, int, Outcome]]:
        """Frame, unix second and outcome of each message; the frame is the last that was read.

        Raises TableError where the file is damaged, behind the outcomes of what came before.
        """
        self._mark += 1
        pump = _Pump(self._relay, file, self._mark)
        number, at = 0, 0
        for printed in self._packets:
            if isinstance(printed, Mark):
                if printed.number == self._mark:
                    break
            elif isinstance(printed, Lost):
                self.last_at = max(self.last_at, pump.last_at)  # it may have had in hands up to it
                yield number, at, Unreadable(f"lost behind it: {printed.why}")
            else:
                number, at = printed.number - self._frames, int(printed.at)
                for outcome in self.reader.read(printed):
                    yield number, at, outcome
        try:
            self._frames += pump.join()
        finally:
            self.last_at = pump.last_at


class _Pump:
    """Hands on a file's frames, and a mark behind them, beside what is read of them."""

    def __init__(self, relay: Relay, file: IO[bytes], mark: int) -> None:
        self._relay = relay
        self._file = file
        self._mark = mark
        self._count = 0
        self.last_at = -math.inf
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> int:
        """How many frames there were; raises TableError, or what else reading them ended with."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        return self._count

    def _run(self) -> None:
        try:
            with in_words(), unpacked(self._file) as octets:
                for frame in frames_of(octets):
                    self._relay.give(frame)
                    self._count += 1
                    at = frame.at_ns / _NANO
                    self.last_at = max(self.last_at, at)
        except Exception as error:  # a thread has nobody above it, and who reads waits for a mark
            self._failed = error
        with suppress(BrokenPipeError, RuntimeError, ValueError):  # the relay was closed
            self._relay.mark(self._mark)
