"""A follower of real files, with a list for a server and a time that tests give."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ringfence import EventKind
from ringfence.adapters.cdr.follow.files import Files
from ringfence.adapters.cdr.follow.follower import Follower
from ringfence.adapters.cdr.follow.listing import Watched
from ringfence.adapters.cdr.follow.state import State, read_state
from ringfence.adapters.cdr.follow.whole import SHAPES
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.wording.dialled import DialPlan
from support.cdr_writer import Event

LONGEST_CALL_S = 1_000
PLAN = DialPlan.of_country(44)


def time_of_files() -> float:
    """What the kernel stamps a file with that is written now, whatever the clock of this process
    shows (`tests/other_clock.py`).
    """
    with tempfile.TemporaryFile() as written:
        return os.fstat(written.fileno()).st_mtime


class Sink:
    """Takes events, and what is lost."""

    def __init__(self) -> None:
        self.events: Counter[Event] = Counter()
        self.lost: list[tuple[int, int]] = []

    def send(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> bool:
        self.events[called, caller, occurred_at, int(kind)] += 1
        return True

    async def send_wait(self, called: int, caller: int, occurred_at: int, kind: EventKind) -> None:
        self.send(called, caller, occurred_at, kind)

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.append((began_at, ended_at))


class Followed:
    """A follower that may be ended and begun again."""

    def __init__(
        self,
        paths: Iterable[Path],
        began_at: float,
        *,
        format_: str = "asterisk",
        pattern: str = "*",
        files_max: int = 4_096,
    ) -> None:
        self.sink = Sink()
        self.said: list[str] = []
        self.now = float(began_at)
        self.state = ""
        self._paths = list(paths)
        self._format = format_
        self._pattern = pattern
        self._files_max = files_max
        self._begin(None)

    def _begin(self, left: State | None) -> None:
        self.files = Files(
            [Watched(path, self._pattern) for path in self._paths],
            self.said.append,
            restored=left.followed() if left else (),
            looked_at=left.looked if left else 0.0,
            read_before=left.read_before if left else 0,
            folders=left.folders if left else None,
            files_max=self._files_max,
        )
        self.follower = Follower(
            self.files,
            SHAPES[self._format],
            CdrReader(FORMATS[self._format](Forms()), PLAN, latest=0),
            self.sink,
            self.said.append,
            longest_call_s=LONGEST_CALL_S,
            heard=left.looked if left else self.now,
            resumed=left is not None,
            lose=self.sink.lose,
            clock=lambda: self.now,
        )

    def look(self, after: float = 1.0) -> None:
        """Reads what is new, `after` seconds."""
        self.now += after
        asyncio.run(self.follower.read_all())

    def keep(self) -> None:
        """What is so far would be in the file of the state."""
        kept = self.follower.kept
        self.state = State("f", self._format, *kept[:1], 0, *kept[1:]).text()

    def begin_again(self, folder: Path) -> None:
        """As a process that was killed, and finds what was kept."""
        self.files.close()
        if not self.state:
            self._begin(None)
            return
        (folder / ".state").write_text(json.dumps(json.loads(self.state)))
        self._begin(read_state(folder / ".state", "f", self._format))
