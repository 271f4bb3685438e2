"""Changes of verdicts as they happen: the answer of `watch_numbers`, blocking and for asyncio.

The server reports each change at most once. A watch that was cut is not begun again by itself, as
what happened meanwhile would be missed without a word: it raises, and whoever needs to know all
watches again and then lists.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc

from ringfence.errors import Unavailable, translated
from ringfence.model import NumberChange

Read: TypeAlias = Callable[[Any], Sequence[NumberChange]]
_ENDED = "the server ended the watch"


class Watch:
    """The changes of a blocking watch: iterate over it, and close it or leave its `with`.

    It never ends by itself. A cut raises: SlowWatcher when the changes were not taken as fast as
    they came, Unreachable, Unavailable.
    """

    def __init__(self, call: Any, read: Read) -> None:
        self._call = call
        self._closed = False
        self._started = False
        self._messages = self._received(read)
        self._changes = deque[NumberChange]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[NumberChange]:
        return self

    def __next__(self) -> NumberChange:
        while not self._changes:
            self._changes.extend(next(self._messages))
        return self._changes.popleft()

    def close(self) -> None:
        """Ends the watch; an iteration that waits ends too, without an error."""
        self._closed = True
        self._call.cancel()

    def wait_started(self) -> None:
        """Returns once the server reports every later change; raises when it does not do so.

        What is listed after that and what the watch reports leave no change out between them.
        """
        if not self._started:  # the server's first message says so, with or without changes
            self._changes.extend(next(self._messages, ()))

    def _received(self, read: Read) -> Iterator[Sequence[NumberChange]]:
        try:
            for message in self._call:
                self._started = True
                yield read(message)
        except grpc.RpcError as failure:
            if self._closed:
                return
            raise translated(failure) from failure
        raise Unavailable(_ENDED)


class AsyncWatch:
    """The changes of a watch for asyncio: `async for` and `async with`; see `Watch`."""

    def __init__(self, call: Any, read: Read) -> None:
        self._call = call
        self._closed = False
        self._started = False
        self._messages = self._received(read)
        self._changes = deque[NumberChange]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[NumberChange]:
        return self

    async def __anext__(self) -> NumberChange:
        while not self._changes:
            self._changes.extend(await anext(self._messages))
        return self._changes.popleft()

    def close(self) -> None:
        """Ends the watch."""
        self._closed = True
        self._call.cancel()

    async def wait_started(self) -> None:
        """Returns once the server reports every later change; see `Watch.wait_started`."""
        if not self._started:
            self._changes.extend(await anext(self._messages, ()))

    async def _received(self, read: Read) -> AsyncIterator[Sequence[NumberChange]]:
        try:
            async for message in self._call:
                self._started = True
                yield read(message)
        except asyncio.CancelledError:
            if self._closed:
                return
            raise
        except grpc.RpcError as failure:
            raise translated(failure) from failure
        if not self._closed:
            raise Unavailable(_ENDED)
