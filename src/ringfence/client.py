"""The client for asking and commanding: `Client` blocks, `AsyncClient` is for asyncio.

Both only carry out what `ringfence.calls` describes. For sending events see `EventStream`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from ringfence import calls, messages, model
from ringfence.calls import Ask, Attempts, Listing
from ringfence.channel import STREAM_ENDED, Tls, actor_metadata, open_async_channel, open_channel
from ringfence.errors import translated
from ringfence.messages import Column, Numbers
from ringfence.words import DisconnectReason, Verdict

SERVER = "127.0.0.1:50051"
TIMEOUT_S = 10.0

T = TypeVar("T")


class Client:
    """A connection to a server for blocking calls; may be shared between threads.

    `timeout_s` is the deadline of each call; `actor` says who asks, for the audit. A call that
    does no harm when it is done twice is repeated for a short time when the server cannot be
    reached. Errors are those of `ringfence.errors`.
    """

    def __init__(
        self,
        server: str = SERVER,
        *,
        timeout_s: float = TIMEOUT_S,
        actor: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._metadata = actor_metadata(actor)
        self._timeout_s = timeout_s
        self._channel = open_channel(server, tls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls that still run fail."""
        self._channel.close()

    def record_events(
        self,
        feed: str,
        events: Iterable[model.Event],
        *,
        complete_from: model.Moment | None = None,
        watermark: model.Moment | None = None,
        sequence: int = 0,
    ) -> model.EventsAnswer:
        """Records at most 65,536 events and returns when they are durable.

        With a watermark it claims that all of the feed's events in [complete_from, watermark) are
        in this batch or were answered before.
        """
        return self._ask(
            calls.record_events(
                feed, events, complete_from=complete_from, watermark=watermark, sequence=sequence
            )
        )

    def check_numbers(
        self, numbers: Numbers, at: model.Moment | None = None
    ) -> list[model.CheckedNumber]:
        """Says of each number, in order, whether it is clean; now, or at another time.

        Any count of numbers, also as an array; raises BadField for an impossible one.
        """
        return [checked for ask in calls.check_numbers(numbers, at) for checked in self._ask(ask)]

    def get_number(self, number: int, at: model.Moment | None = None) -> model.Number:
        """Says everything known of a number; an unknown one is UNTRACKED."""
        return self._ask(calls.get_number(number, at))

    def list_numbers(
        self,
        *,
        pool: str = "",
        verdicts: Iterable[Verdict] = (),
        overdue_only: bool = False,
        prefix: str = "",
        page_size: int = 0,
    ) -> Iterator[model.Number]:
        """Gives all numbers that match, asking for page after page (0 = 1,000 numbers each).

        Empty = any pool, any verdict; `prefix` is digits without +.
        """
        return self._pages(
            calls.list_numbers(
                pool=pool,
                verdicts=verdicts,
                overdue_only=overdue_only,
                prefix=prefix,
                page_size=page_size,
            )
        )

    def quarantine_numbers(
        self,
        numbers: Numbers,
        *,
        pool: str = "default",
        quarantined_at: Column[model.Moment] = None,
        reason: Column[DisconnectReason] = None,
        observed_since: Column[model.Moment] = None,
        progress: Callable[[int], None] | None = None,
    ) -> model.QuarantineResult:
        """Puts any count of numbers into quarantine, in one stream without a deadline.

        quarantined_at, reason and observed_since are given once for all numbers, once for each
        (a sequence or array of the same length), or not at all: now, not said, now. `progress` is
        told how many numbers were sent so far, from another thread. When it fails the numbers
        sent so far may or may not be in quarantine; to repeat it does no harm.
        """
        requests = _Requests(
            calls.quarantine_numbers(
                numbers,
                pool=pool,
                quarantined_at=quarantined_at,
                reason=reason,
                observed_since=observed_since,
                progress=progress,
            )
        )
        method = calls.QUARANTINE_NUMBERS
        stream = self._channel.stream_unary(method.path, _serialized, method.response.FromString)
        try:
            answer = stream(requests, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise requests.error or translated(failure) from failure
        if requests.error is not None:
            raise requests.error
        return messages.quarantine_result(answer)

    def put_policy(self, policy: model.Policy, *, validate_only: bool = False) -> model.Policy:
        """Creates or replaces a policy whole and returns it with its new revision."""
        return self._ask(calls.put_policy(policy, validate_only=validate_only))

    def list_policies(self) -> Iterator[model.Policy]:
        """Gives all policies."""
        return self._pages(calls.list_policies())

    def put_pool(self, pool: model.Pool, *, validate_only: bool = False) -> model.Pool:
        """Creates or replaces a pool whole and returns it with its new revision."""
        return self._ask(calls.put_pool(pool, validate_only=validate_only))

    def list_pools(self, *, forecast_days: int = 0) -> Iterator[model.PoolStatus]:
        """Gives all pools with their counts, and a forecast of so many days (at most 400)."""
        return self._pages(calls.list_pools(forecast_days=forecast_days))

    def get_status(self) -> model.Status:
        """Says how the installation is doing."""
        return self._ask(calls.get_status())

    def _ask(self, ask: Ask[T]) -> T:
        method, attempts = ask.method, Attempts(ask.method, self._timeout_s)
        send = self._channel.unary_unary(method.path, _serialized, method.response.FromString)
        while True:
            try:
                answer = send(ask.request, timeout=attempts.left_s(), metadata=self._metadata)
            except grpc.RpcError as failure:
                time.sleep(attempts.pause_s(failure))
            else:
                return ask.read(answer)

    def _pages(self, listing: Listing[T]) -> Iterator[T]:
        token, more = "", True
        while more:
            items, token = self._ask(listing.page(token))
            yield from items
            more = token != ""


class AsyncClient:
    """A connection to a server for asyncio, made inside the running loop; see `Client`."""

    def __init__(
        self,
        server: str = SERVER,
        *,
        timeout_s: float = TIMEOUT_S,
        actor: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._metadata = actor_metadata(actor)
        self._timeout_s = timeout_s
        self._channel = open_async_channel(server, tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls that still run fail."""
        await self._channel.close()

    async def record_events(
        self,
        feed: str,
        events: Iterable[model.Event],
        *,
        complete_from: model.Moment | None = None,
        watermark: model.Moment | None = None,
        sequence: int = 0,
    ) -> model.EventsAnswer:
        """Records at most 65,536 events; see `Client.record_events`."""
        return await self._ask(
            calls.record_events(
                feed, events, complete_from=complete_from, watermark=watermark, sequence=sequence
            )
        )

    async def check_numbers(
        self, numbers: Numbers, at: model.Moment | None = None
    ) -> list[model.CheckedNumber]:
        """Says of each number whether it is clean; see `Client.check_numbers`."""
        return [
            checked for ask in calls.check_numbers(numbers, at) for checked in await self._ask(ask)
        ]

    async def get_number(self, number: int, at: model.Moment | None = None) -> model.Number:
        """Says everything known of a number; an unknown one is UNTRACKED."""
        return await self._ask(calls.get_number(number, at))

    def list_numbers(
        self,
        *,
        pool: str = "",
        verdicts: Iterable[Verdict] = (),
        overdue_only: bool = False,
        prefix: str = "",
        page_size: int = 0,
    ) -> AsyncIterator[model.Number]:
        """Gives all numbers that match; see `Client.list_numbers`."""
        return self._pages(
            calls.list_numbers(
                pool=pool,
                verdicts=verdicts,
                overdue_only=overdue_only,
                prefix=prefix,
                page_size=page_size,
            )
        )

    async def quarantine_numbers(
        self,
        numbers: Numbers,
        *,
        pool: str = "default",
        quarantined_at: Column[model.Moment] = None,
        reason: Column[DisconnectReason] = None,
        observed_since: Column[model.Moment] = None,
        progress: Callable[[int], None] | None = None,
    ) -> model.QuarantineResult:
        """Puts any count of numbers into quarantine; see `Client.quarantine_numbers`.

        `progress` is told in the loop's own thread.
        """
        requests = calls.quarantine_numbers(
            numbers,
            pool=pool,
            quarantined_at=quarantined_at,
            reason=reason,
            observed_since=observed_since,
            progress=progress,
        )
        method = calls.QUARANTINE_NUMBERS
        stream = self._channel.stream_unary(method.path, _serialized, method.response.FromString)
        call = stream(metadata=self._metadata)
        try:
            with suppress(*STREAM_ENDED):  # the answer says why
                for request in requests:
                    await call.write(request)
                await call.done_writing()
            return messages.quarantine_result(await call)
        except grpc.RpcError as failure:
            raise translated(failure) from failure
        finally:
            call.cancel()

    async def put_policy(
        self, policy: model.Policy, *, validate_only: bool = False
    ) -> model.Policy:
        """Creates or replaces a policy whole and returns it with its new revision."""
        return await self._ask(calls.put_policy(policy, validate_only=validate_only))

    def list_policies(self) -> AsyncIterator[model.Policy]:
        """Gives all policies."""
        return self._pages(calls.list_policies())

    async def put_pool(self, pool: model.Pool, *, validate_only: bool = False) -> model.Pool:
        """Creates or replaces a pool whole and returns it with its new revision."""
        return await self._ask(calls.put_pool(pool, validate_only=validate_only))

    def list_pools(self, *, forecast_days: int = 0) -> AsyncIterator[model.PoolStatus]:
        """Gives all pools with their counts; see `Client.list_pools`."""
        return self._pages(calls.list_pools(forecast_days=forecast_days))

    async def get_status(self) -> model.Status:
        """Says how the installation is doing."""
        return await self._ask(calls.get_status())

    async def _ask(self, ask: Ask[T]) -> T:
        method, attempts = ask.method, Attempts(ask.method, self._timeout_s)
        send = self._channel.unary_unary(method.path, _serialized, method.response.FromString)
        while True:
            try:
                answer = await send(ask.request, timeout=attempts.left_s(), metadata=self._metadata)
            except grpc.RpcError as failure:
                await asyncio.sleep(attempts.pause_s(failure))
            else:
                return ask.read(answer)

    async def _pages(self, listing: Listing[T]) -> AsyncIterator[T]:
        token, more = "", True
        while more:
            items, token = await self._ask(listing.page(token))
            for item in items:
                yield item
            more = token != ""


class _Requests:
    """The requests of a stream. An error in making one ends it and is kept: gRPC, which asks for
    them in a thread of its own, would only log it.
    """

    def __init__(self, requests: Iterator[Message]) -> None:
        self._requests = requests
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        try:
            return next(self._requests)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise StopIteration from error


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
