"""Which commands were decided: the id of each, and where in the journal its answer stands.

A worker gives each command an id, and says with it up to which position commands were applied just
before. If the command was ever decided, its value stands behind that position, whatever has been
killed since and whatever the clocks say. Ids are held from one position on: those of this keeper's
own commands, and of what was journalled before it as far back as it was asked for. Where neither
can be known, as the journal has let go of it or it is too far back, nothing is decided.
"""

import asyncio
from itertools import islice

from ringfence.server.journal.journal import JournalReader, JournalTruncated
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.link.refusal import Refusal, keeper_away
from ringfence.server.state.lines import Lines
from ringfence.server.state.parted_dict import PartedDict

IDS_MAX = 1 << 18  # more than a keeper can decide in 60 s
STEP_VALUES = 2_048  # read at a time

Pending = asyncio.Future[bytes]


class CommandIds:
    """Ids behind one position of the keeper's journal. Made on the loop that uses it."""

    def __init__(self, journal: JournalReader) -> None:
        """Of a keeper that has decided nothing yet."""
        self._journal = journal
        self._behind = journal.last
        self._pending: dict[str, Pending] = {}  # decided, and not durable yet
        self._positions: PartedDict[str, int] = PartedDict()
        self._order: Lines[None, str] = Lines()  # of these, oldest first
        self._reading = asyncio.Lock()

    async def answer(self, command_id: str, after: int) -> bytes | None:
        """The answer to a command that was decided before, once that is durable; None = it never
        was, and nothing has been awaited since that is known.

        If decided, its value stands behind `after`. Raises a refusal where nobody knows.
        """
        if not self._has(command_id) and after < self._behind:
            await self._read_back(command_id, after)
        if (pending := self._pending.get(command_id)) is not None:
            return await asyncio.shield(pending)
        if (position := self._positions.get(command_id)) is not None:
            return await asyncio.to_thread(self._answer_at, position)
        return None

    def decide(self, command_id: str, answer: Pending) -> None:
        """A command was decided, which nobody may be told of yet."""
        self._pending[command_id] = answer

    def settle(self, command_id: str, position: int) -> None:
        """A decided command is durable; its answer is in the journal now."""
        del self._pending[command_id]
        self._positions[command_id] = position
        self._order.append(None, command_id)
        if len(self._positions) > IDS_MAX and (oldest := self._order.first(None)) is not None:
            self._behind = self._positions.pop(oldest)
            self._order.remove(None, oldest)

    def _has(self, command_id: str) -> bool:
        return command_id in self._pending or command_id in self._positions

    async def _read_back(self, command_id: str, after: int) -> None:
        """Takes in ids from the journal until the command is found or there is none behind
        `after`; raises a refusal if that cannot be.
        """
        async with self._reading:
            while not self._has(command_id) and after < (upto := self._behind):
                if (ids := len(self._positions) + upto - after) > IDS_MAX:
                    raise _unknown(f"ids={ids}, limit={IDS_MAX}")
                begin = max(after, upto - STEP_VALUES)
                found = await asyncio.to_thread(self._read, begin, upto)
                if self._behind == upto:  # else some were let go of meanwhile
                    for each, position in reversed(found):
                        self._positions[each] = position
                        self._order.prepend(None, each)
                    self._behind = begin

    def _read(self, after: int, upto: int) -> list[tuple[str, int]]:
        """The ids behind a position and up to another one."""
        try:
            values = islice(keeper_values(self._journal, after), upto - after)
            return [(value.command_id, at) for at, value in values if value.command_id]
        except JournalTruncated:
            raise self._let_go(after) from None

    def _answer_at(self, position: int) -> bytes:
        try:
            return next(keeper_values(self._journal, position - 1))[1].response
        except JournalTruncated:
            raise self._let_go(position - 1) from None

    def _let_go(self, after: int) -> Refusal:
        return _unknown(f"asked after position={after}, oldest={self._journal.first}")


def _unknown(text: str) -> Refusal:
    return keeper_away(f"whether the command was done cannot be known: {text}")
