"""The worker's link to the keeper: commands are passed on as they came, answers likewise.

The keeper speaks the contract too, over a socket of its own, so that deadlines, metadata and
error details need no second protocol and the death of either end is seen at once. Each call has
an id, by which the next keeper knows a command that the last one had made durable; where it would
stand in the journal is behind what was applied when the id was given, which is passed on with it.
What waits here is bounded in bytes, in calls and in time.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ringfence.server.link.drain import Context
from ringfence.server.link.keeper_silence import WAIT_S, KeeperSilence
from ringfence.server.link.passing_calls import PassingCalls
from ringfence.server.link.refusal import DETAILS_KEY, keeper_away
from ringfence.server.link.routes import Answer, path
from ringfence.server.link.waiting_calls import WaitingCalls

GLANCE_S = 0.5
REPEAT_PAUSE_S = 0.02
TAKE_LONG = ("ReserveNumbers",)  # where they wait for a sweep
ASK_MAX_S = 60.0  # for a call without a deadline
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),  # whether a command may be repeated is decided here
    ("grpc.use_local_subchannel_pool", 1),
)
PASSED_ON = "ringfence-"  # metadata with this prefix reaches the keeper
COMMAND_ID = "ringfence-command-id"
COMMAND_AFTER = "ringfence-command-after"
ACTOR = "ringfence-actor"
PEER = "ringfence-peer"
"""Which connection a call came over: whose turn it takes, where nobody says who asks."""
_OWN = (COMMAND_ID, COMMAND_AFTER, PEER)  # which are ours to give
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)


class KeeperLink:
    """One connection to the keeper, made again whenever it is lost."""

    def __init__(self, address: str, applied: Callable[[], int] = lambda: 0) -> None:
        """`applied` is the position up to which commands are applied by now."""
        self._address = address
        self._channel = self._new_channel()
        self._applied = applied
        self._applied_seen = applied()
        self._waiting = WaitingCalls()
        self._passing = PassingCalls()
        self.silence = KeeperSilence()
        """Whether the keeper answers at all: for who asks it now and then to find out."""

    def answer(self, method: MethodDescriptor) -> Answer:
        """An answer that passes a method with one request on."""

        async def answer(request: bytes, context: Context) -> bytes:
            return await self.ask(method, request, context)

        return answer

    async def ask(self, method: MethodDescriptor, request: bytes, context: Context) -> bytes:
        """The keeper's answer to one request; ends the call that `context` stands for if it has
        none. Waits for a keeper that is being replaced, and asks it again what the last one died
        with: done or not, it is done once. Raises a refusal when too much waits already, and when
        the keeper is silent: then nobody knows whether it is done.
        """
        metadata = _metadata(context, self._applied())
        with self._waiting.one_more(len(request)):
            async with self.silence.patience():
                answer = await self._answer(method, request, metadata, context)
        if isinstance(answer, grpc.aio.AioRpcError):
            await _pass_on(answer, context)
        return answer

    async def _answer(
        self,
        method: MethodDescriptor,
        request: bytes,
        metadata: grpc.aio.Metadata,
        context: Context,
    ) -> bytes | grpc.aio.AioRpcError:
        """What the keeper says, be it an error, and not what becomes of a connection to it."""
        ends_at = time.monotonic() + ASK_MAX_S
        while True:
            await self._connected()
            try:
                async with AsyncExitStack() as passing:
                    await passing.enter_async_context(self._passing.place(_asker(metadata)))
                    left_s = context.time_remaining()
                    timeout_s = ends_at - time.monotonic() if left_s is None else left_s
                    if method.name in TAKE_LONG:
                        answer = await self._long(method, request, timeout_s, metadata, passing)
                    else:
                        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
                        ask = self._channel.unary_unary(path(method))
                        answer = await ask(request, timeout=timeout_s, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    return error
                self.silence.end()
                if not _is_lost(error):
                    return error
            except asyncio.CancelledError:
                if _is_to_end():
                    raise
            else:
                self.silence.end()
                return answer
            await asyncio.sleep(REPEAT_PAUSE_S)

    async def _long(
        self,
        method: MethodDescriptor,
        request: bytes,
        timeout_s: float,
        metadata: grpc.aio.Metadata,
        passing: AsyncExitStack,
    ) -> bytes:
        """The answer to a call that makes room for others when the keeper says that it takes long.

        As a stream of one message, as gRPC gives the initial metadata of others with the answer.
        """
        ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
            path(method)
        )
        call = ask(request, timeout=timeout_s, metadata=metadata)
        try:
            await call.initial_metadata()
            await passing.aclose()
            answer = await call.read()
            assert isinstance(answer, bytes)  # else it has raised
            await call.read()  # its end
        finally:
            call.cancel()  # unless it has ended
        return answer

    async def follow(
        self, method: MethodDescriptor, listening: asyncio.Event
    ) -> AsyncIterator[bytes]:
        """The messages of a stream of the keeper's, which has begun when `listening` is set; raises
        grpc.aio.AioRpcError at its end, and a refusal when there is no keeper.
        """
        async with self.silence.patience():
            await self._connected()
            ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(
                path(method)
            )
            call = ask(b"")
            try:
                await call.initial_metadata()
            except asyncio.CancelledError:
                call.cancel()
                raise
        try:
            listening.set()
            async for message in call:
                yield message
        finally:
            call.cancel()

    async def glance(self, method: MethodDescriptor, request: bytes) -> bytes | None:
        """The answer to a question that can do without; None = there is none soon."""
        return None if self.silence.lasts else await self.listen(method, request)

    async def listen(
        self, method: MethodDescriptor, request: bytes, timeout_s: float = GLANCE_S
    ) -> bytes | None:
        """The same, also of a keeper that is silent: it may be heard again."""
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            path(method)
        )
        try:
            # gRPC's own timeout waits for what is being written, and the keeper may read nothing.
            async with asyncio.timeout(timeout_s):
                answer = await ask(request)
        except (TimeoutError, grpc.aio.AioRpcError):
            return None
        except asyncio.CancelledError:
            if _is_to_end():
                raise
            return None
        self.silence.end()
        return answer

    async def give_up_silent(self) -> None:
        """If the keeper has fallen silent, lets go of the connection and of what waits there to be
        read by it; the next one is made at once. One that applies commands is not silent, and one
        that is not there is waited for.
        """
        applied, self._applied_seen = self._applied_seen, self._applied()
        if applied != self._applied_seen:
            self.silence.end()
        elif self._is_ready() and self.silence.begins():
            silent, self._channel = self._channel, self._new_channel()
            await silent.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    def _new_channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self._address, options=CHANNEL_OPTIONS)

    def _is_ready(self) -> bool:
        return self._channel.get_state() == grpc.ChannelConnectivity.READY

    async def _connected(self) -> None:
        patience = time.monotonic() + WAIT_S
        state = self._channel.get_state(try_to_connect=True)
        while state != grpc.ChannelConnectivity.READY:
            try:
                async with asyncio.timeout(patience - time.monotonic()):
                    await self._channel.wait_for_state_change(state)
            except TimeoutError:
                raise keeper_away() from None
            state = self._channel.get_state(try_to_connect=True)


def _metadata(context: Context, applied: int) -> grpc.aio.Metadata:
    passed_on = [
        pair
        for pair in context.invocation_metadata() or ()
        if pair[0].startswith(PASSED_ON) and pair[0] not in _OWN
    ]
    own = (
        (COMMAND_ID, secrets.token_hex(16)),
        (COMMAND_AFTER, str(applied)),
        (PEER, context.peer()),
    )
    return grpc.aio.Metadata(*passed_on, *own)


def _asker(metadata: grpc.aio.Metadata) -> str:
    """Who asks, or where nobody says that, which connection."""
    return str(metadata.get(ACTOR) or metadata[PEER])


def _is_to_end() -> bool:
    """Whether it is this task that was cancelled, and not its call with the connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether the connection failed, and not the command: the keeper's own errors have details."""
    return error.code() in LOST and DETAILS_KEY not in (error.trailing_metadata() or ())


async def _pass_on(error: grpc.aio.AioRpcError, context: Context) -> NoReturn:
    trailing = tuple(
        pair
        for pair in error.trailing_metadata() or ()
        if pair[0] == DETAILS_KEY or pair[0].startswith(PASSED_ON)
    )
    await context.abort(error.code(), error.details() or "", trailing)
