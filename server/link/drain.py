"""Draining: what waits for a client's next message is ended when the process stops."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc

from ringfence.server.link.held_calls import HeldCalls
from ringfence.server.link.refusal import draining

T = TypeVar("T")

Context = grpc.aio.ServicerContext[bytes, bytes]


class Drain:
    """Whether this process is stopping, and the streams that would wait for ever.

    A message that was read is answered; a stream is ended where it asks for the next one.
    """

    def __init__(self, calls: HeldCalls | None = None) -> None:
        """What is read is counted in `calls`, if there are any."""
        self._calls = calls
        self._begun = False
        self._waiting: set[asyncio.Task[object]] = set()

    async def read(self, context: Context) -> bytes | None:
        """The next message of a client's stream, None at its end; Refusal when draining begins."""
        message = await self.wait(context.read())
        if not isinstance(message, bytes):
            return None
        if self._calls is not None:
            self._calls.took(context, message)
        return message

    async def wait(self, awaited: Awaitable[T]) -> T:
        """What is awaited, perhaps for ever; Refusal when draining begins."""
        if self._begun:
            if asyncio.iscoroutine(awaited):
                awaited.close()
            raise draining()
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            return await awaited
        except asyncio.CancelledError:
            if self._begun:
                task.uncancel()
                raise draining() from None
            raise
        finally:
            self._waiting.discard(task)

    def begin(self) -> None:
        """Ends every stream that waits now, or will."""
        self._begun = True
        for task in self._waiting:
            task.cancel()
