"""The worker's link to the keeper: commands are passed on as they came, answers likewise.

The keeper speaks the contract too, over a socket of its own, so that deadlines, metadata and
error details need no second protocol and the death of either end is seen at once. Each call has
an id, by which the next keeper knows a command that the last one had made durable.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ringfence.server.link.drain import Context
from ringfence.server.link.refusal import DETAILS_KEY, keeper_away
from ringfence.server.link.routes import Answer, path

GLANCE_S = 0.5
WAIT_S = 5.0  # for a keeper that is being replaced, then UNAVAILABLE
REPEAT_PAUSE_S = 0.02
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),  # whether a command may be repeated is decided here
    ("grpc.use_local_subchannel_pool", 1),
)
PASSED_ON = "ringfence-"  # metadata with this prefix reaches the keeper
COMMAND_ID = "ringfence-command-id"


class KeeperLink:
    """One connection to the keeper, made again whenever it is lost."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)

    def answer(self, method: MethodDescriptor) -> Answer:
        """An answer that passes a method with one request on."""

        async def answer(request: bytes, context: Context) -> bytes:
            return await self.ask(method, request, context)

        return answer

    async def ask(self, method: MethodDescriptor, request: bytes, context: Context) -> bytes:
        """The keeper's answer to one request; ends the call that `context` stands for if it has
        none. Waits for a keeper that is being replaced, and asks it again what the last one died
        with: done or not, it is done once.
        """
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            path(method)
        )
        patience = time.monotonic() + WAIT_S
        metadata = _metadata(context)
        while True:
            await self._connected(patience)
            try:
                return await call(request, timeout=context.time_remaining(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if not _is_lost(error):
                    await _pass_on(error, context)
            await asyncio.sleep(REPEAT_PAUSE_S)

    async def follow(
        self, method: MethodDescriptor, listening: asyncio.Event
    ) -> AsyncIterator[bytes]:
        """The messages of a stream of the keeper's, which has begun when `listening` is set; raises
        grpc.aio.AioRpcError at its end, and a refusal when there is no keeper.
        """
        await self._connected(time.monotonic() + WAIT_S)
        ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            path(method)
        )
        call = ask(b"")
        try:
            await call.initial_metadata()
            listening.set()
            async for message in call:
                yield message
        finally:
            call.cancel()

    async def glance(self, method: MethodDescriptor, request: bytes) -> bytes | None:
        """The answer to a question that can do without; None = there is none soon."""
        try:
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
                path(method)
            )
            return await ask(request, timeout=GLANCE_S)
        except grpc.aio.AioRpcError:
            return None

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def _connected(self, patience: float) -> None:
        state = self._channel.get_state(try_to_connect=True)
        while state != grpc.ChannelConnectivity.READY:
            try:
                async with asyncio.timeout(patience - time.monotonic()):
                    await self._channel.wait_for_state_change(state)
            except TimeoutError:
                raise keeper_away() from None
            state = self._channel.get_state(try_to_connect=True)


def _metadata(context: Context) -> grpc.aio.Metadata:
    passed_on = [
        pair
        for pair in context.invocation_metadata() or ()
        if pair[0].startswith(PASSED_ON) and pair[0] != COMMAND_ID  # which is ours to give
    ]
    return grpc.aio.Metadata(*passed_on, (COMMAND_ID, secrets.token_hex(16)))


def _is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether the connection failed, and not the command: the keeper's own errors have details."""
    return error.code() == grpc.StatusCode.UNAVAILABLE and DETAILS_KEY not in (
        error.trailing_metadata() or ()
    )


async def _pass_on(error: grpc.aio.AioRpcError, context: Context) -> NoReturn:
    trailing = tuple(
        pair
        for pair in error.trailing_metadata() or ()
        if pair[0] == DETAILS_KEY or pair[0].startswith(PASSED_ON)
    )
    await context.abort(error.code(), error.details() or "", trailing)
