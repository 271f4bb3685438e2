"""Changes of verdicts, told to whoever listens: a bounded queue each; who is too slow is cut."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ringfence.server.link.refusal import Refusal, slow_watcher

WAITING_MAX = 256  # messages of up to 4,096 changes

T = TypeVar("T")


class ChangeFeed(Generic[T]):
    """Tells every listener everything from when it began to listen."""

    def __init__(self) -> None:
        self._listeners: set[_Listener[T]] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def tell(self, message: T) -> None:
        """Puts a message into every listener's queue."""
        for listener in tuple(self._listeners):
            if listener.messages.qsize() >= WAITING_MAX:
                listener.end(slow_watcher())
                self._listeners.discard(listener)
            else:
                listener.messages.put_nowait(message)

    def cut(self, refusal: Refusal) -> None:
        """Ends every listener: changes may be missing."""
        for listener in self._listeners:
            listener.end(refusal)
        self._listeners.clear()

    @contextmanager
    def listen(self) -> Iterator[AsyncIterator[T]]:
        """Listens from now on; the iterator raises a refusal when it is cut."""
        listener = _Listener[T]()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


class _Listener(Generic[T]):
    """An iterator over what one listener is told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[T | Refusal] = asyncio.Queue()

    def end(self, refusal: Refusal) -> None:
        """Instead of what waits, the listener gets this."""
        while not self.messages.empty():
            self.messages.get_nowait()
        self.messages.put_nowait(refusal)

    def __aiter__(self) -> "_Listener[T]":
        return self

    async def __anext__(self) -> T:
        message = await self.messages.get()
        if isinstance(message, Refusal):
            raise message
        return message
