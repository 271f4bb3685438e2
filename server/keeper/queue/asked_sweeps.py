"""Who waits for a sweep: one serves all who asked before it began, whatever they asked.

Who leaves is forgotten at once, so that a question for which nobody waits any more costs nothing.

Thread safety: all is for the loop, but for `asked` and `given_up`, which any thread may read.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ringfence.engine.verdict.question_rows import Question
from ringfence.server.keeper.queue.scan_result import PoolSweep
from ringfence.server.link.refusal import keeper_away

WAITING_MAX = 1_024  # at a time, for whatever questions


@dataclass(slots=True)
class _Wait:
    """Those who wait for one answer."""

    answer: asyncio.Future[PoolSweep] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    waiting: int = 0


class AskedSweeps:
    """Questions for the next sweep, and those of the one under way."""

    def __init__(self, wake: Callable[[], object]) -> None:
        """`wake` is called when there is something to begin."""
        self._wake = wake
        self._next: dict[Question, _Wait] = {}
        self._under_way: dict[Question, _Wait] = {}
        self._waiting = 0

    @property
    def asked(self) -> bool:
        """Whether somebody waits for a sweep that has not begun."""
        return bool(self._next)

    @property
    def given_up(self) -> bool:
        """Whether nobody waits any more for the sweep under way."""
        return not any(wait.waiting for wait in self._under_way.values())

    async def ask(self, question: Question) -> PoolSweep:
        """The answer of the next sweep that begins; raises a refusal when too many wait, and what
        made the sweep fail.
        """
        if self._waiting >= WAITING_MAX:
            raise keeper_away(
                f"waiting for a sweep: value={self._waiting + 1}, bound={WAITING_MAX}"
            )
        wait = self._next.get(question)
        if wait is None:
            wait = self._next[question] = _Wait()
            self._wake()  # not before it is there: who looks for it looks once
        wait.waiting += 1
        self._waiting += 1
        try:
            return await asyncio.shield(wait.answer)
        finally:
            wait.waiting -= 1
            self._waiting -= 1
            if not wait.waiting and self._next.get(question) is wait:
                del self._next[question]

    def begin(self) -> list[Question]:
        """A sweep begins: the questions that it is to answer; none if all have left."""
        self._under_way, self._next = self._next, {}
        return list(self._under_way)

    def end(self, found: Mapping[Question, PoolSweep]) -> None:
        """The sweep under way has these answers, or was given up and has none."""
        for question, sweep in found.items():
            self._under_way[question].answer.set_result(sweep)
        self._under_way = {}

    def fail(self, error: Exception) -> None:
        """The sweep under way has failed."""
        for wait in self._under_way.values():
            _refuse(wait, error)
        self._under_way = {}

    def stop(self, error: Exception) -> None:
        """No sweep will come any more."""
        self.fail(error)
        for wait in self._next.values():
            _refuse(wait, error)
        self._next = {}


def _refuse(wait: _Wait, error: Exception) -> None:
    wait.answer.set_exception(error)
    wait.answer.exception()  # nobody need be waiting any more
