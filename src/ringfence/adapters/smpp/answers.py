"""Answers that wait until the events before them are safe at the server.

A gateway forgets a message when it is answered, so the answer goes out after the server's own. All
that came while the server was asked waits for the next time: one question answers many. Where the
server did not take an event, the session learns of it, and refuses the message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from typing import Protocol, TypeAlias

Event: TypeAlias = tuple[int, int, int, int]
"""Called, caller, time and kind."""
_NONE: frozenset[int] = frozenset()


class Answered(Protocol):
    """Whose messages are answered."""

    def answer(self, octets: list[bytes], lost: Set[int] = _NONE) -> None:
        """Sends these answers, in their order; refuses those at the places `lost` instead."""


class Answers:
    """The answers that wait. `flush` returns when all events taken over so far are safe."""

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._waiting: dict[Answered, list[tuple[bytes, Sequence[Event]]]] = {}
        # Since the flush before the last one: an event may be lost before its answer is put here.
        self._lost: deque[set[Event]] = deque([set()], maxlen=3)
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def put(self, to: Answered, octets: bytes, events: Sequence[Event] = ()) -> None:
        """Has an answer sent when what was taken over before is safe; `events` are of it."""
        self.put_all(to, [(octets, events)])

    def put_all(self, to: Answered, answers: list[tuple[bytes, Sequence[Event]]]) -> None:
        """Has answers sent, in this order, as `put` has one; the list is not the caller's then."""
        waiting = self._waiting.get(to)
        if waiting is None:
            self._waiting[to] = answers
            self._none.clear()
            self._some.set()
        else:
            waiting += answers

    def lost(self, events: Iterable[Event]) -> None:
        """The server did not take these."""
        self._lost[-1].update(events)

    async def run(self) -> None:
        """Sends answers until it is cancelled; raises what stops the events."""
        while True:
            await self._some.wait()
            self._some.clear()
            now, self._waiting = self._waiting, {}
            await self._flush()
            gone = set().union(*self._lost)
            for to, waited in now.items():
                to.answer(
                    [octets for octets, _ in waited],
                    {at for at, (_, events) in enumerate(waited) if not gone.isdisjoint(events)}
                    if gone
                    else _NONE,
                )
            self._lost.append(set())
            if not self._waiting:
                self._none.set()

    async def wait_none(self) -> None:
        """Waits until no answer waits."""
        await self._none.wait()
