"""How much of the keeper's journal waits for the history database.

Nothing waits for the database, but the journal keeps what it has not confirmed. Beyond a bound
commands are refused, before the disk is full.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from ringfence.server.journal.journal import Journal, JournalDown, JournalTruncated

STEPS = 1_024
"""Into how many steps the bound is divided: the backlog is known to one of them, and no more are
remembered, as beyond the bound nothing is appended."""
PIECE_VALUES = 4_096
LOOK_S = 0.5
NUMBER_BYTES = 44  # of the journal, that a number of a bulk change takes
PACE_BYTES = 1 << 20  # a second, of bulk changes at the bound


class HistoryBacklog:
    """Positions that the journal has and the database has not confirmed, and their bytes.

    Used on one loop; made before anything is appended.
    """

    def __init__(self, journal: Journal, limit_bytes: int) -> None:
        self._journal = journal
        self._last_at_start = journal.last
        self._limit_bytes = limit_bytes
        self._step_bytes = max(1, limit_bytes // STEPS)
        self._steps: deque[tuple[int, int]] = deque()  # up to which position, and bytes
        self.bytes = 0
        """What waits: too much by one step at most, and 0 when all is confirmed."""
        self.confirmed = 0
        """The position up to which the database has everything; 0 = it has not said yet."""

    @property
    def exceeded(self) -> bool:
        """Whether commands are to be refused."""
        return self.bytes > self._limit_bytes

    @property
    def text(self) -> str:
        """How far the history is behind, for people."""
        return f"the history is behind: bytes={self.bytes}, limit={self._limit_bytes}"

    def pause_s(self, numbers: int) -> float:
        """How long bulk changes pause after one of so many numbers: not up to half of the bound,
        and then the longer the less is left of it. Where the database takes what bulk changes make
        at that pace, the backlog grows no more, and all else goes on.
        """
        pressure = min(1.0, max(0.0, 2 * self.bytes / self._limit_bytes - 1))
        return pressure * numbers * NUMBER_BYTES / PACE_BYTES

    def appended(self, position: int, size_bytes: int) -> None:
        """A value is in the journal, behind all others."""
        _add(self._steps, position, size_bytes, self._step_bytes)
        self.bytes += size_bytes

    def confirm(self, position: int) -> None:
        """The database has everything up to a position. It may have gone back."""
        self.confirmed = position
        while self._steps and self._steps[0][0] <= position:
            self.bytes -= self._steps.popleft()[1]

    async def measure(self) -> None:
        """Counts what the journal held before anything was appended; reads it in a thread.

        Until it is done only what was appended counts: that is little, and seconds.
        """
        journal, last = self._journal, self._last_at_start
        steps: deque[tuple[int, int]] = deque()
        position = journal.first - 1
        while position < last:
            position = max(position, self.confirmed, journal.first - 1)
            try:
                piece = await asyncio.to_thread(_sizes, journal, position, last)
            except (JournalDown, JournalTruncated):  # it is opened again, or was cut meanwhile
                await asyncio.sleep(LOOK_S)
                continue
            for position, size_bytes in piece:
                _add(steps, position, size_bytes, self._step_bytes)
            if not piece:
                break
        self._count_before(steps)

    def _count_before(self, steps: Iterable[tuple[int, int]]) -> None:
        behind = [step for step in steps if step[0] > self.confirmed]
        self._steps.extendleft(reversed(behind))
        self.bytes += sum(size_bytes for _, size_bytes in behind)


def _add(steps: deque[tuple[int, int]], position: int, size_bytes: int, step_bytes: int) -> None:
    if steps and steps[-1][1] + size_bytes <= step_bytes:
        size_bytes += steps.pop()[1]
    steps.append((position, size_bytes))


def _sizes(journal: Journal, after: int, last: int) -> list[tuple[int, int]]:
    sizes: list[tuple[int, int]] = []
    if after < last:
        for position, value in journal.replay(after):
            sizes.append((position, len(value)))
            if position == last or len(sizes) == PIECE_VALUES:
                break
    return sizes
