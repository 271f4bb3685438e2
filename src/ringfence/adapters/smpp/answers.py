"""Answers that wait until the events before them are safe at the server.

A gateway forgets a message when it is answered, so the answer goes out after the server's own. All
that came while the server was asked waits for the next time: one question answers many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class Answered(Protocol):
    """Whose messages are answered."""

    def answer(self, octets: list[bytes]) -> None:
        """Sends these answers, in their order."""


class Answers:
    """The answers that wait. `flush` returns when all events taken over so far are safe."""

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._waiting: dict[Answered, list[bytes]] = {}
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def put(self, to: Answered, octets: bytes) -> None:
        """Has an answer sent when what was taken over before is safe."""
        waiting = self._waiting.get(to)
        if waiting is None:
            self._waiting[to] = [octets]
            self._none.clear()
            self._some.set()
        else:
            waiting.append(octets)

    async def run(self) -> None:
        """Sends answers until it is cancelled; raises what stops the events."""
        while True:
            await self._some.wait()
            self._some.clear()
            now, self._waiting = self._waiting, {}
            await self._flush()
            for to, octets in now.items():
                to.answer(octets)
            if not self._waiting:
                self._none.set()

    async def wait_none(self) -> None:
        """Waits until no answer waits."""
        await self._none.wait()
