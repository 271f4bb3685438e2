"""Processes whose wall clock is wrong, or steps while they run; wall_clock.c moves it in them."""

from __future__ import annotations

import atexit
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from support.places import SUPPORT

if TYPE_CHECKING:
    import pytest

CLOCK_FILE = "RINGFENCE_TEST_CLOCK_FILE"  # names the file that holds the offset
_OFFSET = struct.Struct("=q")  # seconds


class SteppingClock:
    """The wall clock of all processes that are started in `preloaded`, or with `environment`."""

    def __init__(self, file: Path) -> None:
        self.outer_s = _offset_in_force()
        file.write_bytes(_OFFSET.pack(self.outer_s))
        file.chmod(0o644)  # for servers that run as users of their own
        with file.open("r+b") as opened:
            self._shared = memoryview(mmap.mmap(opened.fileno(), _OFFSET.size)).cast("q")
        self.file = file
        self.offset_s = 0

    def set_offset(self, offset_s: int) -> None:
        """Puts the clock so many seconds from that of the tests, at once and in all processes."""
        self.offset_s = offset_s
        self._shared[0] = self.outer_s + offset_s  # one store: no process sees half of it

    def now(self) -> int:
        """What it shows, unix seconds."""
        return int(time.time()) + self.offset_s

    def environment(self) -> dict[str, str]:
        """The variables that give a process this clock; its timers go on as always."""
        variables = {CLOCK_FILE: str(self.file)}
        if CLOCK_FILE not in os.environ:  # else preloaded already, and twice would move it twice
            others = os.environ.get("LD_PRELOAD", "").split(":")
            variables["LD_PRELOAD"] = ":".join(filter(None, [_library(), *others]))
        return variables

    @contextmanager
    def preloaded(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Processes that are started here have this clock."""
        with monkeypatch.context() as environment:
            for name, value in self.environment().items():
                environment.setenv(name, value)
            yield


def _offset_in_force() -> int:
    """How far the clock of this process itself is moved, as tests/other_clock.py does."""
    file = os.environ.get(CLOCK_FILE)
    return int(_OFFSET.unpack(Path(file).read_bytes())[0]) if file else 0


@cache
def _library() -> str:
    """The path of wall_clock.c as a library, made once for this process and gone after it.

    A process makes its own, in a folder that nobody else writes: others that run at once, or later
    from another checkout, never load what is half written or not theirs.
    """
    folder = Path(tempfile.mkdtemp(prefix="ringfence-wall-clock-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "wall_clock.so"
    source = SUPPORT / "wall_clock.c"
    subprocess.run(
        ["cc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source],
        check=True,
    )
    folder.chmod(0o755)  # for servers that run as users of their own
    return str(library)
