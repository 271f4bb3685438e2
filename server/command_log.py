"""Commands in one order: decided, journalled, applied, answered.

Many may wait for the disk at once and share a write. When one cannot be made durable, all that wait
are refused and the process ends: nobody knows what the journal holds, and the next keeper reads it.
"""

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial

from google.protobuf.message import Message

from ringfence.engine.journal import Journal, JournalDown
from ringfence.server.drain import Context
from ringfence.server.durable import Durable
from ringfence.server.keeper_link import COMMAND_ID
from ringfence.server.keeper_state import KeeperState
from ringfence.server.keeper_value_pb2 import KeeperValue
from ringfence.server.refusal import journal_down

WAITING_MAX = 64
ANSWERS_MAX = 256  # more than can wait: what a keeper died with is among the last of its journal
ACTOR = "ringfence-actor"

Decide = Callable[[KeeperValue], Message]
"""Fills in what a command changes, at the value's decided_at, and returns the answer; raises a
refusal when the command is not to be done."""

END_PAUSE_S = 0.1  # in which refusals reach the workers

_log = logging.getLogger(__name__)


class CommandLog:
    """The keeper's journal as commands use it. Made on the loop that awaits them."""

    def __init__(
        self,
        journal: Journal,
        state: KeeperState,
        now: Callable[[], int],
        recent: Iterable[KeeperValue] = (),
        *,
        end: Callable[[], object] | None = None,
    ) -> None:
        self._journal = journal
        self._durable = Durable(journal)
        self._state = state
        self._now = now
        self._end = end or partial(os._exit, 1)
        self._failed = False
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._answers: OrderedDict[str, asyncio.Future[bytes]] = OrderedDict()
        for value in recent:
            answered = asyncio.get_running_loop().create_future()
            answered.set_result(value.response)
            self._remember(value.command_id, answered)

    async def carry_out(self, command: str, context: Context, decide: Decide) -> bytes:
        """The answer to a command, which holds from then on; the first one if it is a repetition.

        Raises what `decide` raises, and a refusal while the journal takes nothing.
        """
        asked = {key: str(text) for key, text in context.invocation_metadata() or ()}
        command_id = asked.get(COMMAND_ID, "")
        async with self._room:
            # What was read from a journal that is down may not be durable yet either.
            if self._failed or not self._journal.writable:
                raise journal_down()
            answer = self._answers.get(command_id) if command_id else None
            if answer is None:
                value = KeeperValue(
                    command=command, actor=asked.get(ACTOR, ""), command_id=command_id
                )
                answer = self.begin(value, decide)
            return await asyncio.shield(answer)

    def begin(self, value: KeeperValue, decide: Decide) -> asyncio.Future[bytes]:
        """Decides a command; the future has its answer. It is done even if nobody waits."""
        value.decided_at = self._now()
        value.response = decide(value).SerializeToString()
        durable = self._durable.submit(value.SerializeToString())
        self._state.foresee(value)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        durable.add_done_callback(partial(self._settle, value, answer))
        self._remember(value.command_id, answer)
        return answer

    def _settle(
        self, value: KeeperValue, answer: asyncio.Future[bytes], durable: asyncio.Future[int]
    ) -> None:
        try:
            if self._failed:
                raise JournalDown("a command before this one failed")
            self._state.apply(durable.result(), value)
        except Exception as error:
            answer.set_exception(journal_down())
            if not self._failed:
                self._failed = True
                _log.critical("cannot go on: %s: %s", type(error).__name__, error)
                asyncio.get_running_loop().call_later(END_PAUSE_S, self._end)
        else:
            answer.set_result(value.response)

    def _remember(self, command_id: str, answer: asyncio.Future[bytes]) -> None:
        if command_id:
            self._answers[command_id] = answer
            if len(self._answers) > ANSWERS_MAX:
                self._answers.popitem(last=False)
