"""Commands in one order: decided, journalled, applied, answered.

Many may wait for the disk at once and share a write. When one cannot be made durable, all that wait
are refused and the process ends: nobody knows what the journal holds, and the next keeper reads it.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial

from google.protobuf.message import Message

from ringfence.engine.table.header_rows import Numbers
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.journal import Journal, JournalDown
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_ids import CommandIds
from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_link import COMMAND_AFTER, COMMAND_ID
from ringfence.server.link.refusal import JOURNAL_DOWN, Refusal, bad_field, journal_down
from ringfence.server.state.keeper_state import KeeperState

WAITING_MAX = 64
ACTOR = "ringfence-actor"
ACTOR_CHARS_MAX = 255  # it is kept with each reservation

Decide = Callable[[KeeperValue], Message]
"""Fills in what a command changes, at the value's decided_at, and returns the answer; raises a
refusal when the command is not to be done."""

Applied = Callable[[int, KeeperValue, int], None]
"""Told of a command that holds from now on: its position, the value, its bytes in the journal."""

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
        applied: Applied = lambda *_: None,
        held_up: Callable[[], str] = lambda: "",
        first: Callable[["CommandLog"], bool] = lambda _: True,
        end: Callable[[], object] | None = None,
    ) -> None:
        """`held_up` says why no command is taken just now, "" = they are; `first` begins
        some of what is due before any other command, and says whether that was all.
        """
        self._journal = journal
        self._awaited = AwaitedJournal(journal)
        self._state = state
        self.now = clock
        """The time of a decision, unix seconds."""
        self._applied = applied
        self._held_up = held_up
        self._first = first
        self._end = end or partial(os._exit, os.EX_TEMPFAIL)  # the next one may have more luck
        self._failed = False
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._ids = CommandIds(journal)
        self._waiting_for_settings = 0
        self._newest: asyncio.Future[bytes] | None = None
        self._newest_durable: asyncio.Future[int] | None = None

    @property
    def writable(self) -> bool:
        """Whether a command can be begun."""
        return not self._failed and self._journal.writable

    @property
    def held_up(self) -> str:
        """Why no command is taken just now; "" = they are."""
        return self._held_up() if self.writable else JOURNAL_DOWN

    async def carry_out(
        self, command: str, context: Context, decide: Decide, *, about: Numbers | None = None
    ) -> bytes:
        """The answer to a command, which holds from then on; the first one if it is a repetition.

        A command `about` numbers is decided when no other is about to change one of them, nor the
        settings; one `about` none of them when no other is about to change the settings. One that
        may change settings lets those go first that wait for them, so that a stream of changes
        keeps nobody waiting. Raises what `decide` raises, and a refusal while the journal takes
        nothing.
        """
        actor = said(context, ACTOR)
        if len(actor) > ACTOR_CHARS_MAX:
            raise bad_field(ACTOR, f"value={len(actor)} characters, bound={ACTOR_CHARS_MAX}")
        async with self._room:
            while True:
                if (first := await self.first_answer(context)) is not None:
                    return first
                if held_up := self._held_up():
                    raise journal_down(held_up)
                if not self._first(self):
                    await self.settled()
                    continue
                if self._must_wait(about):
                    await self._turn(about)
                    continue
                value = KeeperValue(
                    command=command, actor=actor, command_id=said(context, COMMAND_ID)
                )
                try:
                    answer = self.begin(value, decide)
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
        value.response = decide(value).SerializeToString()
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

    def _must_wait(self, about: Numbers | None) -> bool:
        if about is None:
            return self._waiting_for_settings > 0
        pending = self._state.pending
        return pending.settings or bool(pending.touched(about).any())

    async def _turn(self, about: Numbers | None) -> None:
        waits_for_settings = about is not None and self._state.pending.settings
        self._waiting_for_settings += waits_for_settings
        try:
            await self.settled()
            if about is None:
                await asyncio.sleep(0)  # those that wait may have been told and not have gone yet
        finally:
            self._waiting_for_settings -= waits_for_settings

    async def settled(self) -> None:
        """Waits until everything decided so far is applied; raises a refusal when that fails."""
        if self._newest is not None:
            await asyncio.shield(self._newest)

    def _settle(
        self,
        value: KeeperValue,
        size: int,
        answer: asyncio.Future[bytes],
        durable: asyncio.Future[int],
    ) -> None:
        try:
            if self._failed:
                raise JournalDown("a command before this one failed")
            position = durable.result()
            self._state.apply(position, value)
            self._applied(position, value, size)
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


def said(context: Context, key: str) -> str:
    """What a call's metadata says under a key; "" = nothing."""
    return next(
        (str(text) for name, text in context.invocation_metadata() or () if name == key), ""
    )


def _retrieve(answer: asyncio.Future[bytes]) -> None:
    """A failure is no news to asyncio's log when nobody waits for it."""
    if not answer.cancelled():
        answer.exception()
