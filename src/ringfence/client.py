"""The client for asking and commanding that blocks; `ringfence.async_client` is for asyncio.

What the operations are called, take and mean is described in `number_calls`, `quarantine_calls`,
`settings_calls` and `event_calls`; the client carries that out. For sending events in a stream see
`EventStream`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import grpc
from google.protobuf.message import Message

from ringfence import event_calls, model, number_calls, quarantine_calls, settings_calls
from ringfence.calls import Ask, Attempts, Listing, Series, described_by
from ringfence.channel import (
    SERVER,
    TIMEOUT_S,
    Tls,
    actor_metadata,
    checked_timeout,
    open_channel,
    serialized,
)
from ringfence.columns import Column, Numbers
from ringfence.errors import translated
from ringfence.watch import Watch
from ringfence.words import DisconnectReason, Verdict

P = ParamSpec("P")
T = TypeVar("T")


def _asks(describe: Callable[P, Ask[T]]) -> Callable[Concatenate["Client", P], T]:
    """The method that asks one question and returns its answer."""

    @described_by(describe)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._ask(describe(*args, **kwargs))

    return method


def _asks_each(describe: Callable[P, Series[T]]) -> Callable[Concatenate["Client", P], T]:
    """The method that asks one question after the other and returns their answers as one."""

    @described_by(describe)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        series = describe(*args, **kwargs)
        return series.joined([self._ask(ask) for ask in series.asks])

    return method


def _lists(describe: Callable[P, Listing[T]]) -> Callable[Concatenate["Client", P], Iterator[T]]:
    """The method that gives what comes in pages, asking for the next when it is needed."""

    @described_by(describe)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._pages(describe(*args, **kwargs))

    return method


class Client:
    """A connection to a server for blocking calls; may be shared between threads.

    `timeout_s`, a day at most, is the deadline of each call; `actor` says who asks, for the audit.
    A call whose outcome is open, because the server could not be reached or did not answer, is made
    again for a short time if doing it twice does no harm. Errors are those of `ringfence.errors`.
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
        self._timeout_s = checked_timeout(timeout_s)
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
            quarantine_calls.quarantine_numbers(
                numbers,
                pool=pool,
                quarantined_at=quarantined_at,
                reason=reason,
                observed_since=observed_since,
                progress=progress,
            )
        )
        method = quarantine_calls.QUARANTINE_NUMBERS
        stream = self._channel.stream_unary(method.path, serialized, method.response.FromString)
        try:
            answer = stream(requests, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise requests.error or translated(failure) from failure
        if requests.error is not None:
            raise requests.error
        return quarantine_calls.quarantine_result(answer)

    def watch_numbers(self, *, pool: str = "", verdicts: Iterable[Verdict] = ()) -> Watch:
        """Begins to watch and returns the changes of verdicts as an iterator without end.

        Only in this pool (empty = any), only from or to one of these verdicts (none = any). Each
        change is reported at most once, within two scans of the server; there is no deadline. A
        cut raises and is not mended: watch again, then list. See `Watch`.
        """
        ask = number_calls.watch_numbers(pool=pool, verdicts=verdicts)
        method = ask.method
        stream = self._channel.unary_stream(method.path, serialized, method.response.FromString)
        return Watch(stream(ask.request, metadata=self._metadata), ask.read)

    def _ask(self, ask: Ask[T]) -> T:
        method, attempts = ask.method, Attempts(ask.method, self._timeout_s)
        send = self._channel.unary_unary(method.path, serialized, method.response.FromString)
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
