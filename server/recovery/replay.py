"""Replay: what journals hold goes into a segment that nobody uses yet.

First the keeper's journal, in its order: headers and settings. Then the journals of all workers, in
any order: a step of one of them at a time is read, and inserted without the GIL while other threads
read or insert other steps.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rich.progress import Progress

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Spray
from ringfence.server.folder.journal_folders import KEEPER, WORKER
from ringfence.server.journal.event_value import decode_event_value
from ringfence.server.journal.journal import JournalDamaged, JournalReader
from ringfence.server.journal.keeper_value_pb2 import KeeperImage, KeeperValue
from ringfence.server.journal.keeper_values import headers_of, keeper_values
from ringfence.server.recovery.replayed_table import ReplayedTable
from ringfence.server.state.coverage_book import CoverageBook
from ringfence.server.state.keeper_state import publish
from ringfence.server.state.settings_book import SettingsBook

STEP_BYTES = 1 << 20
TAKEN_BYTES = 16  # of one event, as `EventInserter.repeat` says too


@dataclass(frozen=True)
class ReplayBase:
    """What replay goes on from: a snapshot, or nothing."""

    snapshot: str = ""
    positions: Mapping[str, int] = field(default_factory=dict)
    keeper_position: int = 0
    image: KeeperImage = field(default_factory=KeeperImage)
    """The keeper's, without reservations and hand-outs."""
    spray: Spray | None = None
    """Under which its spray map was made; None = nobody knows."""

    def after(self, journal: JournalReader) -> int:
        """The position behind which a journal has to be replayed."""
        name = journal.folder.name
        return self.keeper_position if name == KEEPER else self.positions.get(name, 0)


class Replay:
    """Journals into a segment; a bar shows how far it is."""

    def __init__(
        self,
        segment: Segment,
        start: ReplayBase,
        journals: Sequence[JournalReader | None],
        progress: Progress,
    ) -> None:
        self.values = 0
        self._segment = segment
        self._start = start
        self._lock = threading.Lock()
        self._progress = progress
        self._bar = progress.add_task(
            "replaying journals",
            total=sum(journal.last - start.after(journal) for journal in journals if journal),
        )

    def commands(self, journal: JournalReader) -> None:
        """All headers, settings and coverage, in the order of their commands.

        Raises SettingError for a policy that rings of this size cannot decide.
        """
        table, book = ReplayedTable(self._segment), SettingsBook(self._segment.ring_entries)
        image = self._start.image
        coverage = CoverageBook()
        book.place(image)
        coverage.take(image)
        values = keeper_values(journal, self._start.after(journal))
        for position, value in self._counted(values):
            table.apply(headers_of(value))
            if position > image.position:
                book.place(value)
                coverage.take(value)
        book.check()
        publish(self._segment, book, coverage)
        table.finish(journal.last)

    def events(self, journals: Sequence[JournalReader], threads: int) -> int:
        """All events of workers, after `commands`; how many of them found their number."""
        steps = [_JournalPieces(journal, self._start.after(journal)) for journal in journals]
        with ThreadPoolExecutor(threads, "replay") as pool:
            shares = [steps[first:] + steps[:first] for first in range(min(threads, len(steps)))]
            inserted = sum(pool.map(self._insert, (shares * threads)[:threads]))
        for journal in journals:
            index = int(journal.folder.name.removeprefix(WORKER))
            EventInserter(self._segment, worker=index).set_journalled(journal.last)
        return inserted

    def _insert(self, journals: Sequence["_JournalPieces"]) -> int:
        inserter = EventInserter(self._segment)
        inserted = 0
        for steps in journals:
            while (step := steps.take()) is not None:
                values, taken = step
                inserted += inserter.repeat(taken)
                self._count(values)
        return inserted

    def _counted(
        self, values: Iterator[tuple[int, KeeperValue]]
    ) -> Iterator[tuple[int, KeeperValue]]:
        for value in values:
            yield value
            self._count(1)

    def _count(self, values: int) -> None:
        with self._lock:
            self.values += values
        self._progress.advance(self._bar, values)


class _JournalPieces:
    """A worker's journal, some values at a time, for any number of threads."""

    def __init__(self, journal: JournalReader, after: int) -> None:
        self._journal = journal
        self._values = journal.replay(after)
        self._lock = threading.Lock()

    def take(self) -> tuple[int, bytes] | None:
        """How many values the next step has, and what they have taken; None = there is none."""
        taken: list[bytes] = []
        size = 0
        with self._lock:
            for position, data in self._values:
                taken.append(self._taken(position, data))
                size += len(taken[-1])
                if size >= STEP_BYTES:
                    break
        return (len(taken), b"".join(taken)) if taken else None

    def _taken(self, position: int, data: bytes) -> bytes:
        try:
            taken = decode_event_value(data).taken
            if len(taken) % TAKEN_BYTES:  # together with the next value's it might be whole
                raise ValueError(f"not whole events: bytes={len(taken)}, each={TAKEN_BYTES}")
        except ValueError as error:
            folder = self._journal.folder
            raise JournalDamaged(f"{folder}: {error}: position={position}") from None
        return taken
