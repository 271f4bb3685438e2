"""Capture files through tshark, as an import reads files: all files are one stream of frames.

An attempt, a TCP segment or a call that is set up digit by digit may begin in one file and end in
the next, so that one tshark and one reader see all files. A run that goes on in a later file reads
the one before it again, for what it must know of the time before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ringfence.adapters.base import Attempt, Unreadable
from ringfence.adapters.event_table import AHEAD_S_MAX, Event, Passed, Rejects
from ringfence.adapters.tap.capture_stream import CaptureStream
from ringfence.adapters.tap.reader import Outcome, TapReader
from ringfence.adapters.tap.relay import Relay


class CaptureFiles:
    """Reads files in the order in which they were given; for one thread, and once."""

    def __init__(
        self, paths: Sequence[Path], relay: Relay, reader: TapReader, *, latest: int
    ) -> None:
        self._paths = paths
        self._stream = CaptureStream(relay, reader)
        self._latest = latest
        self._next = 0

    def __call__(
        self, file: IO[bytes], rejects: Rejects, skip: int
    ) -> Iterator[tuple[int, Event | Passed | None]]:
        """What each message of a file is; of the first `skip` nothing is given out."""
        index = self._index_of(file)
        count = 0
        for number, at, outcome in self._outcomes(file, index):
            count += 1
            if count <= skip:
                continue
            if isinstance(outcome, str):
                yield count, Passed(outcome, at)
                continue
            if isinstance(outcome, Attempt) and outcome.occurred_at <= self._latest:
                yield count, _event(outcome)
                continue
            reason = (
                outcome.reason
                if isinstance(outcome, Unreadable)
                else f"time_ahead: bound=at most {AHEAD_S_MAX} s after the import began"
            )
            rejects.add(None, f"frame {number}", (), reason)
            yield count, None

    def remember(self, file: IO[bytes]) -> None:
        """Learns what later files may go on with from a file that was sent before."""
        for _ in self._outcomes(file, self._index_of(file)):
            pass

    def _index_of(self, file: IO[bytes]) -> int:
        for index in range(self._next, len(self._paths)):
            if self._paths[index] == Path(file.name):
                self._next = index + 1
                return index
        raise ValueError(f"not one of the files: {file.name}")

    def _outcomes(self, file: IO[bytes], index: int) -> Iterator[tuple[int, int, Outcome]]:
        """Frame, unix second and outcome of each message."""
        number, at = 0, 0
        for number, at, outcome in self._stream.outcomes(file):
            yield number, at, outcome
        if index + 1 == len(self._paths):
            for outcome in self._stream.reader.due(math.inf):
                yield number, at, outcome


def _event(attempt: Attempt) -> Event:
    return attempt.called, attempt.caller, attempt.occurred_at, int(attempt.kind)
