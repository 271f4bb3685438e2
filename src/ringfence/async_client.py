"""The client for asking and commanding from asyncio; see `ringfence.client`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import grpc

from ringfence import event_calls, model, number_calls, quarantine_calls, settings_calls
from ringfence.calls import Ask, Attempts, Listing, Series, described_by
from ringfence.channel import (
    SERVER,
    STREAM_ENDED,
    TIMEOUT_S,
    Tls,
    actor_metadata,
    checked_timeout,
    open_async_channel,
    serialized,
)
from ringfence.columns import Column, Numbers
from ringfence.errors import translated
from ringfence.watch import AsyncWatch
from ringfence.words import DisconnectReason, Verdict

P = ParamSpec("P")
T = TypeVar("T")
Asked = Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]


def _asks(describe: Callable[P, Ask[T]]) -> Asked[P, T]:
    """The method that asks one question and returns its answer."""

    @described_by(describe)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._ask(describe(*args, **kwargs))

    return method


def _asks_each(describe: Callable[P, Series[T]]) -> Asked[P, T]:
    """The method that asks one question after the other and returns their answers as one."""

    @described_by(describe)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        series = describe(*args, **kwargs)
        return series.joined([await self._ask(ask) for ask in series.asks])

    return method


def _lists(
    describe: Callable[P, Listing[T]],
) -> Callable[Concatenate["AsyncClient", P], AsyncIterator[T]]:
    """The method that gives what comes in pages, asking for the next when it is needed."""

    @described_by(describe)
    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._pages(describe(*args, **kwargs))

    return method


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
        self._timeout_s = checked_timeout(timeout_s)
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

    record_events = _asks(event_calls.record_events)

    check_numbers = _asks_each(number_calls.check_numbers)
    get_number = _asks(number_calls.get_number)
    list_numbers = _lists(number_calls.list_numbers)
    list_history = _lists(number_calls.list_history)

    reserve_numbers = _asks(number_calls.reserve_numbers)
    confirm_reservation = _asks(number_calls.confirm_reservation)
    extend_reservation = _asks(number_calls.extend_reservation)
    cancel_reservation = _asks(number_calls.cancel_reservation)
    get_reservation = _asks(number_calls.get_reservation)
    list_reservations = _lists(number_calls.list_reservations)

    hold_numbers = _asks_each(quarantine_calls.hold_numbers)
    unhold_numbers = _asks_each(quarantine_calls.unhold_numbers)
    restore_numbers = _asks_each(quarantine_calls.restore_numbers)
    retire_numbers = _asks_each(quarantine_calls.retire_numbers)
    override_numbers = _asks_each(quarantine_calls.override_numbers)
    move_numbers = _asks_each(quarantine_calls.move_numbers)
    report_complaint = _asks(quarantine_calls.report_complaint)

    put_pool = _asks(settings_calls.put_pool)
    list_pools = _lists(settings_calls.list_pools)
    delete_pool = _asks(settings_calls.delete_pool)
    put_policy = _asks(settings_calls.put_policy)
    list_policies = _lists(settings_calls.list_policies)
    delete_policy = _asks(settings_calls.delete_policy)
    put_feed = _asks(settings_calls.put_feed)
    list_feeds = _lists(settings_calls.list_feeds)
    list_unregistered_feeds = _asks(settings_calls.list_unregistered_feeds)
    delete_feed = _asks(settings_calls.delete_feed)
    get_status = _asks(settings_calls.get_status)
    accept_clock = _asks(settings_calls.accept_clock)

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
        requests = quarantine_calls.quarantine_numbers(
            numbers,
            pool=pool,
            quarantined_at=quarantined_at,
            reason=reason,
            observed_since=observed_since,
            progress=progress,
        )
        method = quarantine_calls.QUARANTINE_NUMBERS
        stream = self._channel.stream_unary(method.path, serialized, method.response.FromString)
        call = stream(metadata=self._metadata)
        try:
            with suppress(*STREAM_ENDED):  # the answer says why
                for request in requests:
                    await call.write(request)
                await call.done_writing()
            return quarantine_calls.quarantine_result(await call)
        except grpc.RpcError as failure:
            raise translated(failure) from failure
        finally:
            call.cancel()

    def watch_numbers(self, *, pool: str = "", verdicts: Iterable[Verdict] = ()) -> AsyncWatch:
        """Begins to watch for changes of verdicts; see `Client.watch_numbers`."""
        ask = number_calls.watch_numbers(pool=pool, verdicts=verdicts)
        method = ask.method
        stream = self._channel.unary_stream(method.path, serialized, method.response.FromString)
        return AsyncWatch(stream(ask.request, metadata=self._metadata), ask.read)

    async def _ask(self, ask: Ask[T]) -> T:
        method, attempts = ask.method, Attempts(ask.method, self._timeout_s)
        send = self._channel.unary_unary(method.path, serialized, method.response.FromString)
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
