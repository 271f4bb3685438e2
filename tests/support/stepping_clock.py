"""Servers whose wall clock is wrong, or goes back while they run, by libfaketime."""

import glob
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.server_process import is_alive

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class SteppingClock:
    """The wall clock of all processes that are started in `preloaded`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set_offset(0)

    def set_offset(self, offset_s: int) -> None:
        """Puts the clock so many seconds from the true time, at once and in all processes."""
        self.offset_s = offset_s
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset_s:+d}s\n")
        draft.rename(self._file)

    def now(self) -> int:
        """What it shows, unix seconds."""
        return int(time.time()) + self.offset_s

    @contextmanager
    def preloaded(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Processes that are started here have this clock; their timers go on as always."""
        with monkeypatch.context() as environment:
            environment.setenv("LD_PRELOAD", _library())
            environment.setenv("FAKETIME_TIMESTAMP_FILE", str(self._file))
            environment.setenv("FAKETIME_NO_CACHE", "1")
            environment.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            environment.setenv("DONT_FAKE_MONOTONIC", "1")  # as older versions call it
            environment.setenv("NO_FAKE_STAT", "1")
            yield
        for left in Path("/dev/shm").glob("*faketime_s*_*"):  # by processes that were killed
            if not is_alive(int(left.name.rpartition("_")[2])):
                left.unlink()


def _library() -> str:
    found = glob.glob(LIBRARY)
    if not found:
        pytest.skip(f"needs libfaketime: {LIBRARY}")
    return found[0]
