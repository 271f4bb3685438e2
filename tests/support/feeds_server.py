"""A small real server for tests of EventStream, which can be stopped and started again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from ringfence.v1.event_service_pb2 import (
    EventRejection,
    StreamEventsRequest,
    StreamEventsResponse,
)
from ringfence.v1.event_service_pb2_grpc import (
    EventServiceServicer,
    add_EventServiceServicer_to_server,
)

NOW = 1_750_000_000
ADD_TO_SERVER: Callable[[Any, Any], None] = add_EventServiceServicer_to_server


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Feeds(EventServiceServicer):
    """Answers batches as the contract says; what it refuses, and whether it answers, is set."""

    def __init__(self) -> None:
        self.requests: list[StreamEventsRequest] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.refusal: Callable[[StreamEventsRequest], grpc.StatusCode | None] = lambda _: None
        self.rejects: set[int] = set()
        self.metadata: dict[str, str] = {}
        self.streams = 0

    async def StreamEvents(
        self, requests: AsyncIterator[StreamEventsRequest], context: Any
    ) -> AsyncIterator[StreamEventsResponse]:
        self.streams += 1
        self.metadata = dict(context.invocation_metadata())
        async for request in requests:
            code = self.refusal(request)
            if code is grpc.StatusCode.OK:
                return
            if code is not None:
                await context.abort(code, "bad field: called: value=1, bound=0")
            self.requests.append(request)
            await self.answering.wait()
            rejected = [i for i, called in enumerate(request.called) if called in self.rejects]
            yield StreamEventsResponse(
                sequence=request.sequence,
                accepted=len(request.called) - len(rejected),
                rejected=len(rejected),
                rejections=[EventRejection(index=i, reason="called: bound") for i in rejected],
                watermark=max((end for _, end in self.claims), default=0),
            )

    async def more(self, count: int) -> None:
        wanted = len(self.requests) + count
        await until(lambda: len(self.requests) >= wanted)

    @property
    def called(self) -> list[int]:
        return [called for request in self.requests for called in request.called]

    @property
    def claims(self) -> list[tuple[int, int]]:
        return [(r.complete_from, r.watermark) for r in self.requests if r.watermark]


class Server:
    """The servicer on a port of its own, which it keeps when it is stopped and started again."""

    def __init__(self) -> None:
        self.feeds = Feeds()
        self.port = 0

    async def start(self) -> str:
        self._server = grpc.aio.server()
        ADD_TO_SERVER(self.feeds, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self._server.stop(None)


Story = Callable[[Server, str], Awaitable[None]]


def play(story: Story) -> None:
    """Runs a story with a server."""

    async def run() -> None:
        server = Server()
        address = await server.start()
        try:
            async with asyncio.timeout(20):
                await story(server, address)
        finally:
            await server.stop()

    asyncio.run(run())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the condition is another's, nothing announces it
        await asyncio.sleep(0.005)
