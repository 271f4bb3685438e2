"""Files of events on their way to a server, so that a run that was cut off can go on.

What was answered is written down after each part, beside the first file: which files, how far, and
what came of it. A run with the same files goes on there; a part that was sent twice counts once, as
events do. The note goes when all is done.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Protocol

from ringfence import EventStream, EventStreamStats
from ringfence.adapters.event_table import Passed, Reads, Rejects
from ringfence.adapters.run import answered
from ringfence.wording.tables import Table, TableError

REMEMBERED = 64 << 20
"""Octets of files before the one that is gone on with that are read again."""
PART_ROWS = 131_072  # about a second's work: as much is sent again after a cut
PART_S = 1.0


class Opens(Protocol):
    """Opens a file for reading bytes, perhaps showing how far it is read, and what takes its bad
    rows.
    """

    def __call__(self, path: Path) -> AbstractContextManager[tuple[IO[bytes], Rejects]]: ...


@dataclass
class Sent:
    """What came of the events, up to a row of a file: all rows before it were answered."""

    file: int = 0
    """The index of the file that is being read."""
    row: int = 0
    """Rows of it that are done."""
    rows: int = 0
    """Rows of all files that are done."""
    bad_rows: int = 0
    turned_away: dict[str, int] = field(default_factory=dict)
    """The bad rows by reason: of records its name, of rows the column."""
    passed: dict[str, int] = field(default_factory=dict)
    """Rows that are no events and hide none, by reason."""
    accepted: int = 0
    untracked: int = 0
    rejected: int = 0
    """By the server: events that it would not take, or whole batches."""
    rejections: list[str] = field(default_factory=list)
    first: int = 0
    """The earliest and the latest time of an event, unix seconds; 0 = there was none."""
    last: int = 0
    empty_files: list[str] = field(default_factory=list)
    """Those that have a header and no row: nothing came, or what wrote them failed."""
    rejects: str = ""
    """Where the bad rows of the file that is being read are; empty = there is none so far."""

    def reached(self, row: int) -> None:
        """All rows up to this one of the file are read."""
        self.rows += row - self.row
        self.row = row

    def answered(self, begin: Sent, stats: EventStreamStats) -> None:
        """Takes what a server has answered since `begin`."""
        self.accepted = begin.accepted + stats.accepted
        self.untracked = begin.untracked + stats.untracked
        self.rejected = begin.rejected + stats.rejected + stats.refused
        self.rejections = [*begin.rejections, *stats.rejections]

    def saw(self, occurred_at: int) -> None:
        """Widens the time that events were read of."""
        self.first = min(self.first or occurred_at, occurred_at)
        self.last = max(self.last, occurred_at)


class Note:
    """The file that says how far a run has come."""

    def __init__(self, files: Sequence[Path], feed: str, options: Sequence[str]) -> None:
        """`options` are all that makes another run of the same files a different one."""
        first = files[0]
        self.path = first.with_name(f".{first.name}.{feed}.import")
        about = json.dumps([[_facts(path) for path in files], list(options)])
        self._about = hashlib.blake2b(about.encode(), digest_size=16).hexdigest()

    def read(self) -> Sent | None:
        """Where the last run ended; None when there was none of the same files."""
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            return Sent(**kept["sent"]) if kept["about"] == self._about else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, sent: Sent) -> None:
        """Says how far this run is; raises OSError."""
        # Of this process alone: two runs of the same files at once are no reason to fail.
        whole = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        whole.write_text(json.dumps({"about": self._about, "sent": asdict(sent)}), "utf-8")
        os.replace(whole, self.path)

    def remove(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)


class _Counted:
    """Counts bad rows by the name of their reason, and hands them on."""

    def __init__(self, rejects: Rejects, counts: dict[str, int]) -> None:
        self._rejects = rejects
        self._counts = counts

    def add(self, table: Table | None, line: int | str, cells: Sequence[str], reason: str) -> None:
        """Takes one."""
        name = reason.partition(":")[0]
        self._counts[name] = self._counts.get(name, 0) + 1
        self._rejects.add(table, line, cells, reason)


def _facts(path: Path) -> list[Any]:
    facts = path.stat()
    return [str(path.resolve()), facts.st_size, facts.st_mtime_ns]


def _before(files: Sequence[Path]) -> list[Path]:
    """The last of these files, and those before it while they are not too much to read again."""
    octets = accumulate(path.stat().st_size for path in reversed(files))
    count = sum(1 for total in octets if total <= REMEMBERED)
    return list(files[-max(count, 1) :]) if files else []


async def send_files(
    files: Sequence[Path],
    reads: Reads,
    stream: EventStream,
    *,
    begin: Sent,
    opens: Opens,
    done: Callable[[Sent], None],
    patience_s: float,
    remember: Callable[[IO[bytes]], None] | None = None,
) -> Sent:
    """Sends what the files have from `begin` on; `done` is told after each part how far it is.
    `remember` reads a file before that again, where records tell more of those in later files.

    The stream must make no claims. Raises what stopped it, NotAnswered, TableError with the file,
    and OSError.
    """
    sent = replace(
        begin,
        rejections=list(begin.rejections),
        passed=dict(begin.passed),
        turned_away=dict(begin.turned_away),
    )

    settled_at = time.monotonic()

    async def settle(row: int) -> None:
        """All rows so far are answered."""
        nonlocal settled_at
        await stream.flush()
        settled_at = time.monotonic()
        sent.reached(row)
        sent.answered(begin, stream.stats)
        done(sent)

    async def send_file(path: Path) -> None:
        with opens(path) as (file, rejects):
            row, bad_rows = sent.row, sent.bad_rows
            counted = _Counted(rejects, sent.turned_away)
            for row, event in reads(file, counted, sent.row):
                if event is None:
                    sent.bad_rows += 1
                elif isinstance(event, Passed):
                    sent.passed[event.reason] = sent.passed.get(event.reason, 0) + 1
                    if event.occurred_at:
                        sent.saw(event.occurred_at)
                else:
                    await stream.send_wait(*event)
                    sent.saw(event[2])
                if row % PART_ROWS == 0:
                    await settle(row)
            # Of many small files one after the other is not worth an answer and a note of its own;
            # one with bad rows is, as these were written to a file.
            is_last = sent.file + 1 == len(files)
            if is_last or sent.bad_rows > bad_rows or time.monotonic() - settled_at >= PART_S:
                await settle(row)
            sent.reached(row)

    async def send_all() -> None:
        for index in range(begin.file, len(files)):
            sent.file = index
            began_at = time.monotonic()
            try:
                await send_file(files[index])
            except TableError as error:
                raise TableError(f"{files[index]}, {error}") from None
            if not sent.row:
                sent.empty_files = [*sent.empty_files, str(files[index])]
            sent.file, sent.row, sent.rejects = index + 1, 0, ""
            if settled_at >= began_at:
                done(sent)

    if remember is not None:
        for path in _before(files[: begin.file]):
            with path.open("rb") as file, suppress(TableError):  # it was told of by the first run
                remember(file)
    async with stream:
        await answered(send_all(), stream, patience_s)
    return sent
