"""Values on their way from keeper to database: read ahead up to a bound, taken together."""

import asyncio
from collections import deque

import grpc

from ringfence.server.link.keeper_service_pb2 import FollowJournalResponse

WAITING_BYTES_MAX = 16 << 20
TAKEN_VALUES_MAX = 1_024
TAKEN_BYTES_MAX = 2 << 20
VALUE_COST_BYTES = 128  # what a waiting value takes besides its own bytes


class Inbox:
    """What a FollowJournal call has brought and nobody has taken yet."""

    def __init__(self, call: "grpc.aio.UnaryStreamCall[bytes, bytes]") -> None:
        self._call = call
        self._values: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> "Inbox":
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        self._call.cancel()
        await asyncio.wait([self._reading])

    async def accepted(self) -> None:
        """Waits until the keeper has agreed to the request; raises AioRpcError."""
        await self._call.initial_metadata()
        if self._call.done():
            await asyncio.wait([self._reading])
            self._fail()

    async def take(self) -> list[tuple[int, bytes]]:
        """The next positions and values, at least one, as many as one transaction should have.

        Raises AioRpcError when all was taken and no more can come.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._values or self._error)
            if not self._values:
                self._fail()
            taken: list[tuple[int, bytes]] = []
            size = 0
            while self._values and len(taken) < TAKEN_VALUES_MAX and size < TAKEN_BYTES_MAX:
                taken.append(self._values.popleft())
                size += len(taken[-1][1])
            self._bytes -= size + len(taken) * VALUE_COST_BYTES
            self._changed.notify_all()
            return taken

    async def _read(self) -> None:
        error: BaseException | None = None
        try:
            async for data in self._call:
                response = FollowJournalResponse.FromString(data)
                async with self._changed:
                    self._values.append((response.position, response.value))
                    self._bytes += len(response.value) + VALUE_COST_BYTES
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self._bytes < WAITING_BYTES_MAX)
        except Exception as failure:
            error = failure
        async with self._changed:
            self._error = error or EOFError("the keeper ended its journal")
            self._changed.notify_all()

    def _fail(self) -> None:
        assert self._error is not None
        raise self._error
