"""Commands in one order: decided, journalled, applied, answered.

Many may wait for the disk at once and share a write; whose command is next, the fair queue says. A
bulk command takes its numbers first: it is looked at in slices beside the loop, while others are
decided, then decided as one, journalled as one value and applied in slices.

When one cannot be made durable, all that wait are refused and the process ends: nobody knows what
the journal holds, and the next keeper reads it.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from google.protobuf.message import Message

from ringfence.engine.table.header_rows import Numbers, distinct
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.journal import Journal, JournalDown
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_ids import CommandIds
from ringfence.server.keeper.commands.fair_queue import BULK_NUMBERS, FairQueue
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_link import ACTOR, COMMAND_AFTER, COMMAND_ID, PEER
from ringfence.server.link.refusal import JOURNAL_DOWN, Refusal, bad_field, journal_down
from ringfence.server.state.keeper_state import AppliedSlice, KeeperState

ACTOR_CHARS_MAX = 255  # it is kept with each reservation

Decide = Callable[[KeeperValue], Message | bytes]
"""Fills in what a command changes, at the value's decided_at, and returns the answer; raises a
refusal when the command is not to be done."""

Ahead = Callable[[], Awaitable[object]]
"""Looks at what a bulk command is about, in slices, before it is decided."""

Appended = Callable[[int, int], None]
"""Told of a command that is durable: its position, and its bytes in the journal."""

Applied = Callable[[KeeperValue, AppliedSlice], None]
"""Told of a command of which these headers hold from now on, and all else."""

END_PAUSE_S = 0.1  # in which refusals reach the workers

_log = logging.getLogger(__name__)


class CommandLog:
    """The keeper's journal as commands use it. Made on the loop that awaits them."""

    def __init__(
        self,
        journal: Journal,
        state: KeeperState,
        clock: Callable[[], int],
        *,
        appended: Appended = lambda *_: None,
        applied: Applied = lambda *_: None,
        held_up: Callable[[], str] = lambda: "",
        pause_s: Callable[[int], float] = lambda _: 0.0,
        first: Callable[["CommandLog"], bool] = lambda _: True,
        end: Callable[[], object] | None = None,
    ) -> None:
        """`held_up` says why no command is taken just now, "" = they are; `pause_s` how long after
        a bulk command of so many numbers the next one waits; `first` begins some of what is due
        before any other command, and says whether that was all.
        """
        self._journal = journal
        self._awaited = AwaitedJournal(journal)
        self._state = state
        self.now = clock
        """The time of a decision, unix seconds."""
        self._appended = appended
        self._applied = applied
        self._held_up = held_up
        self._first = first
        self._end = end or partial(os._exit, os.EX_TEMPFAIL)  # the next one may have more luck
        self._failed = False
        self._queue = FairQueue(pause_s)
        self._ids = CommandIds(journal)
        self._waiting_for_settings = 0
        self._newest: asyncio.Future[bytes] | None = None
        self._newest_durable: asyncio.Future[int] | None = None
        self._looking: asyncio.Future[None] | None = None  # ahead, at one bulk command
        self._settling: deque[Iterator[None]] = deque()

    @property
    def writable(self) -> bool:
        """Whether a command can be begun."""
        return not self._failed and self._journal.writable

    @property
    def held_up(self) -> str:
        """Why no command is taken just now; "" = they are."""
        return self._held_up() if self.writable else JOURNAL_DOWN

    async def carry_out(
        self,
        command: str,
        context: Context,
        decide: Decide,
        *,
        about: Numbers | None = None,
        ahead: Ahead | None = None,
    ) -> bytes:
        """The answer to a command, which holds from then on; the first one if it is a repetition.

        A command `about` numbers is decided when no other is about to change one of them, nor the
        settings; one `about` none of them when no other is about to change the settings. A bulk
        command is looked at `ahead`: meanwhile no other one about its numbers is decided, and none
        that may change settings. One of these lets those go first that wait for them, so that a
        stream of changes keeps nobody waiting. Raises what `decide` and `ahead` raise, and a
        refusal while the journal takes nothing, or too much waits.
        """
        actor = said(context, ACTOR)
        if len(actor) > ACTOR_CHARS_MAX:
            raise bad_field(ACTOR, f"value={len(actor)} characters, bound={ACTOR_CHARS_MAX}")
        numbers = None if about is None else distinct(about)
        count = 0 if about is None else len(about)
        async with self._queue.turn(_asker(context, actor), count):
            while True:
                if (first := await self.first_answer(context)) is not None:
                    return first
                if held_up := self._held_up():
                    raise journal_down(held_up)
                if not self._first(self):
                    await self.settled()
                    continue
                if self._must_wait(numbers):
                    await self._turn(numbers)
                    continue
                value = KeeperValue(
                    command=command, actor=actor, command_id=said(context, COMMAND_ID)
                )
                try:
                    if ahead is None or numbers is None or count <= BULK_NUMBERS:
                        answer = self.begin(value, decide)
                    else:
                        answer = await self._begin_bulk(value, decide, numbers, ahead)
                except Refusal:
                    await self.settled()  # it may be for what is decided and not durable yet
                    raise
                return await asyncio.shield(answer)

    async def first_answer(self, context: Context) -> bytes | None:
        """The answer to a command that is repeated and was done; None = it never was decided, and
        nothing has been awaited since that is known. Raises a refusal where that is not known.
        """
        # What was read from a journal that is down may not be durable yet either.
        if not self.writable:
            raise journal_down()
        if not (command_id := said(context, COMMAND_ID)):
            return None
        return await self._ids.answer(command_id, int(said(context, COMMAND_AFTER) or 0))

    def begin(self, value: KeeperValue, decide: Decide) -> asyncio.Future[bytes]:
        """Decides a command; the future has its answer. It is done even if nobody waits. Raises a
        refusal when an earlier one failed: what is known here is then not what the journal holds,
        which may well take this one.
        """
        if self._failed:
            raise journal_down()
        value.decided_at = self.now()
        response = decide(value)
        value.response = response if isinstance(response, bytes) else response.SerializeToString()
        data = value.SerializeToString()
        durable = self._awaited.submit(data)
        self._state.foresee(value)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_retrieve)
        durable.add_done_callback(partial(self._settle, value, len(data), answer))
        if value.command_id:
            self._ids.decide(value.command_id, answer)
        self._newest, self._newest_durable = answer, durable
        return answer

    def position(self) -> asyncio.Future[int]:
        """The position of what is the newest command when this is called, once it is durable."""
        if self._newest_durable is not None:
            return asyncio.shield(self._newest_durable)
        last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        last.set_result(self._journal.last)
        return last

    async def begin_all_due(self) -> None:
        """Begins what is due before any other command: some, and when that is applied some more."""
        while not self._first(self):
            await self.settled()

    async def until_free(self, numbers: Numbers) -> None:
        """Waits until no command is about to change one of these numbers."""
        ascending = distinct(numbers)
        while self._is_changing(ascending):
            await self._turn(ascending)

    async def settled(self) -> None:
        """Waits until everything decided so far is applied; raises a refusal when that fails."""
        newest = self._newest
        await asyncio.sleep(0)  # who asks again and again lets others have their turn
        if newest is not None:
            await asyncio.shield(newest)

    async def _begin_bulk(
        self, value: KeeperValue, decide: Decide, numbers: Numbers, ahead: Ahead
    ) -> asyncio.Future[bytes]:
        """Begins a bulk command when it was looked at. A repetition, which is about the same
        numbers, waits for that. There is one at a time, see the fair queue.

        What is not taken by this is what changes with a reservation, its end or its lease: such a
        change is waited for, and seen when this is decided.
        """
        self._looking = asyncio.get_running_loop().create_future()
        try:
            with self._state.pending.taken(numbers):
                await ahead()
                while self._state.pending.meets(numbers):
                    await self.settled()
                return self.begin(value, decide)
        finally:
            self._looking.set_result(None)
            self._looking = None

    def _must_wait(self, numbers: Numbers | None) -> bool:
        if numbers is None:
            return self._waiting_for_settings > 0 or self._looking is not None
        return self._state.pending.settings or self._is_changing(numbers)

    def _is_changing(self, numbers: Numbers) -> bool:
        pending = self._state.pending
        return pending.meets(numbers) or pending.meets_taken(numbers)

    async def _turn(self, numbers: Numbers | None) -> None:
        """Waits for some of what is in the way."""
        waits_for_settings = numbers is not None and self._state.pending.settings
        self._waiting_for_settings += waits_for_settings
        try:
            if self._looking and (numbers is None or self._state.pending.meets_taken(numbers)):
                await asyncio.shield(self._looking)
            else:
                await self.settled()
            if numbers is None:
                await asyncio.sleep(0)  # those that wait may have been told and not have gone yet
        finally:
            self._waiting_for_settings -= waits_for_settings

    def _settle(
        self,
        value: KeeperValue,
        size: int,
        answer: asyncio.Future[bytes],
        durable: asyncio.Future[int],
    ) -> None:
        """Applies a command behind those before it."""
        self._settling.append(self._steps(value, size, answer, durable))
        if len(self._settling) == 1:
            self._go_on()

    def _go_on(self) -> None:
        """One step of what is to be applied, and the next one when others had their turn."""
        while self._settling:
            for _ in self._settling[0]:
                asyncio.get_running_loop().call_soon(self._go_on)
                return
            self._settling.popleft()

    def _steps(
        self,
        value: KeeperValue,
        size: int,
        answer: asyncio.Future[bytes],
        durable: asyncio.Future[int],
    ) -> Iterator[None]:
        try:
            if self._failed:
                raise JournalDown("a command before this one failed")
            position = durable.result()
            self._appended(position, size)
            for part in self._state.apply(position, value):
                self._applied(value, part)
                if not part.is_last:
                    yield
            if value.command_id:
                self._ids.settle(value.command_id, position)
        except Exception as error:
            answer.set_exception(journal_down())
            if not self._failed:
                self._failed = True
                _log.critical("cannot go on: %s: %s", type(error).__name__, error)
                asyncio.get_running_loop().call_later(END_PAUSE_S, self._end)
        else:
            answer.set_result(value.response)


def _asker(context: Context, actor: str) -> str:
    """Whose turn a command takes: who asks, or where nobody says that, which connection."""
    return f"actor {actor}" if actor else f"connection {said(context, PEER)}"


def said(context: Context, key: str) -> str:
    """What a call's metadata says under a key; "" = nothing."""
    return next(
        (str(text) for name, text in context.invocation_metadata() or () if name == key), ""
    )


def _retrieve(answer: asyncio.Future[bytes]) -> None:
    """A failure is no news to asyncio's log when nobody waits for it."""
    if not answer.cancelled():
        answer.exception()
