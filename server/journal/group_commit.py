"""The commit thread of a journal: all that waits goes to disk in one commit.

Thread safety: `append`, `truncate` and `replay` from any thread. Only the commit thread writes;
it calls every `done`, in the order of the appends.
Invariants: every value taken is answered once. After a failed commit, whose outcome nobody
knows, nothing is taken until the file was opened again, its last position read, and room for
its largest value proved. After damage nothing is taken at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ringfence.server.journal.journal import (
    Done,
    JournalDown,
    JournalError,
    JournalReader,
)

COMMIT_MAX_BYTES = 64 << 20
VALUE_COST_BYTES = 512  # what a waiting value takes besides its own bytes
HEAL_S = 0.5  # between attempts to open it again
READER_CHECK_S = 60.0

_log = logging.getLogger(__name__)


class JournalFile(JournalReader, Protocol):
    """What a commit thread writes to. Its methods raise JournalError."""

    def write(self, values: Sequence[bytes], drop_upto: int) -> None:
        """Puts values behind the last one and deletes a few old ones, in one durable commit."""

    def reopen(self) -> None:
        """Opens the file again and reads which positions are there."""

    def prove_room(self, size: int, drop_upto: int) -> None:
        """Deletes what may go, then commits a value of this size and deletes it again."""

    def check_readers(self) -> None:
        """Frees the places of readers that were killed."""


class GroupCommit:
    """A journal over a file; see `journal.Journal`."""

    def __init__(self, file: JournalFile, pending_max_bytes: int) -> None:
        self._file = file
        self._pending_max_bytes = pending_max_bytes
        self._pending: deque[tuple[bytes, Done]] = deque()
        self._pending_bytes = 0  # with those in the commit that is under way
        self._drop_upto = 0
        self._closing = False
        self._failure: JournalError | None = None
        self._failed_bytes = 0  # the largest value of the commit that failed
        self._after_commit: list[Callable[[], None]] = []
        self._commits_total = 0
        self._check_readers_at = time.monotonic() + READER_CHECK_S
        self._work = threading.Condition()
        self._guarded(lambda: file.prove_room(0, 0))
        if self._failure is not None and not isinstance(self._failure, JournalDown):
            file.close()
            raise self._failure
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where the journal is."""
        return self._file.folder

    @property
    def first(self) -> int:
        """The position of the oldest value still there."""
        return self._file.first

    @property
    def last(self) -> int:
        """The position of the newest durable value."""
        return self._file.last

    @property
    def writable(self) -> bool:
        """Whether values are taken."""
        return self._failure is None and not self._closing

    @property
    def commits_total(self) -> int:
        """How many commits have put values on disk since the journal was opened."""
        return self._commits_total

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Positions and values behind a position; see `journal.JournalReader.replay`."""
        return self._file.replay(after)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Has `call` called whenever the `done` of all values of one commit were called."""
        self._after_commit.append(call)

    def has_room(self, size: int) -> bool:
        """Whether what waits for the disk leaves room; see `journal.Journal.has_room`."""
        with self._work:
            waiting = self._pending_bytes
            fits = waiting + size + VALUE_COST_BYTES <= self._pending_max_bytes
            return fits or waiting == 0 or not self.writable

    def append(self, value: bytes, done: Done) -> None:
        """Makes a value durable, then calls `done`; see `journal.Journal.append`."""
        with self._work:
            if self._failure is not None:
                raise _again(self._failure)
            if self._closing:
                raise JournalDown(f"{self.folder}: closed")
            waiting = self._pending_bytes + len(value) + VALUE_COST_BYTES
            if waiting > self._pending_max_bytes:
                raise JournalDown(
                    f"{self.folder}: too much waits for the disk: bytes={waiting},"
                    f" limit={self._pending_max_bytes}"
                )
            self._pending.append((value, done))
            self._pending_bytes = waiting
            self._work.notify()

    def truncate(self, upto: int) -> None:
        """Lets go of the values up to a position, little by little, never of the last one."""
        with self._work:
            self._drop_upto = max(self._drop_upto, min(upto, self.last))
            self._work.notify()

    def close(self) -> None:
        """Makes durable what was appended, calls its `done` and lets go of the files."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()
        self._file.close()

    def _run(self) -> None:
        while True:
            with self._work:
                if self._failure is not None:
                    heals = isinstance(self._failure, JournalDown)
                    self._work.wait_for(lambda: self._closing, timeout=HEAL_S if heals else None)
                    if self._closing:
                        return
                self._work.wait_for(self._has_work, timeout=READER_CHECK_S)
                batch = self._take()
                if self._closing and not batch:
                    return
            if self._failure is not None:
                self._heal()
            elif batch or self._drops():
                self._commit(batch)
            if self._failure is None and time.monotonic() >= self._check_readers_at:
                self._check_readers_at = time.monotonic() + READER_CHECK_S
                self._guarded(self._file.check_readers)

    def _has_work(self) -> bool:
        return bool(self._pending or self._closing or self._failure or self._drops())

    def _drops(self) -> bool:
        return self._file.first <= min(self._drop_upto, self._file.last - 1)

    def _take(self) -> list[tuple[bytes, Done]]:
        """What goes into the next commit: all that waits, but only so many bytes."""
        batch: list[tuple[bytes, Done]] = []
        size = 0
        while self._pending and size < COMMIT_MAX_BYTES:
            batch.append(self._pending.popleft())
            size += len(batch[-1][0])
        return batch

    def _commit(self, batch: list[tuple[bytes, Done]]) -> None:
        values = [value for value, _ in batch]
        position = self._file.last
        if self._guarded(lambda: self._file.write(values, self._drop_upto)):
            if batch:
                self._commits_total += 1
                self._answer(batch, range(position + 1, position + 1 + len(batch)))
        elif self._failure is not None:
            self._failed_bytes = max(map(len, values), default=0)
            with self._work:
                batch += self._pending
                self._pending.clear()
            self._answer(batch, [_again(self._failure) for _ in batch])

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Whether it succeeded; if not, the journal takes no values until it has healed."""
        try:
            work()
        except JournalError as error:
            failure = error
        except Exception as error:  # were the thread to end, everybody would wait for ever
            _log.exception("journal failed: %s", self.folder)
            failure = JournalDown(f"{self.folder}: {error!r}")
        else:
            return True
        with self._work:
            if self._failure is None:
                _log.error("journal takes no values: %s", failure)
            self._failure = failure
        return False

    def _answer(
        self, batch: list[tuple[bytes, Done]], outcomes: Sequence[int | JournalError]
    ) -> None:
        with self._work:
            self._pending_bytes -= sum(len(value) + VALUE_COST_BYTES for value, _ in batch)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            try:
                done(outcome)
            except Exception:
                _log.exception("the answer to a journalled value failed")
        for call in self._after_commit:
            try:
                call()
            except Exception:
                _log.exception("what follows a commit failed")

    def _heal(self) -> None:
        if self._guarded(self._file.reopen) and self._guarded(
            lambda: self._file.prove_room(self._failed_bytes, self._drop_upto)
        ):
            with self._work:
                self._failure = None
            _log.warning("journal takes values again: %s, last position=%d", self.folder, self.last)


def _again(error: JournalError) -> JournalError:
    """The same error, with a trace of its own."""
    return type(error)(*error.args)
