"""Watching for changes against a small real server, blocking and with asyncio."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.told_server import Servicer, abort, address, info, servicer

import ringfence
from ringfence import AsyncClient, Client, NumberChange, Verdict
from ringfence import errors as e
from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
MOMENT = datetime.fromtimestamp(SECONDS, UTC)
S = grpc.StatusCode
STARTED = v1.WatchNumbersResponse()  # the server's first message
PATIENCE_S = 20.0

Watched = Callable[[int], list[NumberChange]]


def message(*offsets: int) -> v1.WatchNumbersResponse:
    return v1.WatchNumbersResponse(
        changes=[
            v1.NumberChange(
                number=CALLED + offset,
                pool="p",
                previous=types_v1.VERDICT_CLEAN,
                current=types_v1.VERDICT_NOISY,
                changed_at=Timestamp(seconds=SECONDS),
            )
            for offset in offsets
        ]
    )


@pytest.fixture
def silence() -> Iterator[Callable[[Any], None]]:
    """Says nothing more until the watch or the test ends."""
    over = threading.Event()

    def wait(context: grpc.ServicerContext) -> None:
        context.add_callback(over.set)
        over.wait(PATIENCE_S)

    yield wait
    over.set()


@pytest.fixture(params=["Client", "AsyncClient"])
def watched(request: pytest.FixtureRequest, address: str) -> Watched:
    """Watches until there were so many changes, with a client of either kind, and closes."""

    def blocking(wanted: int) -> list[NumberChange]:
        with (
            Client(address) as client,
            client.watch_numbers(pool="p", verdicts=[Verdict.NOISY]) as watch,
        ):
            watch.wait_started()
            return [next(watch) for _ in range(wanted)]

    async def awaited(wanted: int) -> list[NumberChange]:
        async with (
            AsyncClient(address) as client,
            client.watch_numbers(pool="p", verdicts=[Verdict.NOISY]) as watch,
        ):
            await watch.wait_started()
            return [await anext(watch) for _ in range(wanted)]

    if request.param == "Client":
        return blocking
    return lambda wanted: asyncio.run(awaited(wanted))


def test_a_watch_gives_the_changes_in_their_order(
    servicer: Servicer, watched: Watched, silence: Any
) -> None:
    servicer.answer = lambda _: [STARTED, message(0, 1), message(2), silence]
    changes = watched(3)
    assert changes[0] == NumberChange(CALLED, "p", Verdict.CLEAN, Verdict.NOISY, MOMENT)
    assert [change.number for change in changes] == [CALLED, CALLED + 1, CALLED + 2]
    assert servicer.requests == [
        v1.WatchNumbersRequest(pool="p", verdicts=[types_v1.VERDICT_NOISY])
    ]


def test_a_slow_watcher_is_told_so_and_nothing_is_begun_again(
    servicer: Servicer, watched: Watched
) -> None:
    servicer.answer = lambda _: [STARTED, message(0), abort(S.ABORTED, info("SLOW_WATCHER"))]
    with pytest.raises(e.SlowWatcher):
        watched(2)
    assert len(servicer.requests) == 1


@pytest.mark.parametrize("code", [S.UNAVAILABLE, S.UNIMPLEMENTED])
def test_a_watch_that_does_not_start_says_why(
    code: grpc.StatusCode, servicer: Servicer, watched: Watched
) -> None:
    servicer.failures = [abort(code, text="not today")]
    with pytest.raises(e.RingfenceError, match="not today"):
        watched(1)
    assert len(servicer.requests) == 1


def test_a_watch_that_ends_without_an_error_was_cut_too(
    servicer: Servicer, watched: Watched
) -> None:
    servicer.answer = lambda _: [STARTED, message(0)]
    with pytest.raises(e.Unavailable, match="ended the watch"):
        watched(2)


def test_changes_in_the_first_message_are_not_lost(
    servicer: Servicer, watched: Watched, silence: Any
) -> None:
    servicer.answer = lambda _: [message(0, 1), silence]
    assert [change.number for change in watched(2)] == [CALLED, CALLED + 1]


def test_a_watch_has_not_started_before_its_first_message(
    servicer: Servicer, watched: Watched
) -> None:
    servicer.answer = lambda _: [abort(S.UNAVAILABLE, info("KEEPER"))]
    with pytest.raises(e.KeeperDown):
        watched(0)


def test_closing_ends_an_iteration_that_waits(
    servicer: Servicer, address: str, silence: Any
) -> None:
    servicer.answer = lambda _: [STARTED, message(0), silence]
    with Client(address) as client:
        watch = client.watch_numbers()
        seen = []
        for change in watch:
            seen.append(change.number)
            threading.Timer(0.05, watch.close).start()
    assert seen == [CALLED]


def test_closing_ends_an_iteration_that_waits_in_asyncio(
    servicer: Servicer, address: str, silence: Any
) -> None:
    servicer.answer = lambda _: [STARTED, message(0), silence]

    async def seen() -> list[int]:
        async with AsyncClient(address) as client:
            watch = client.watch_numbers()
            numbers = []
            async for change in watch:
                numbers.append(change.number)
                asyncio.get_running_loop().call_later(0.05, watch.close)
            return numbers

    assert asyncio.run(seen()) == [CALLED]


def test_both_clients_can_do_the_same() -> None:
    def operations(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in vars(client).items()
            if not name.startswith("_")
        }

    assert operations(Client) == operations(AsyncClient)
    for name, parameters in operations(Client).items():
        member = getattr(Client, name)
        assert parameters[0] == "self"
        assert member.__name__ == name
        assert inspect.getdoc(member), name


def test_every_rpc_of_the_contract_has_an_operation() -> None:
    def words(rpc: str) -> str:
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in rpc).lstrip("_")

    from ringfence.v1 import event_service_pb2, quarantine_service_pb2

    rpcs = {
        words(rpc.name)
        for file in (event_service_pb2, v1, quarantine_service_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for rpc in service.methods
    }
    assert rpcs - set(dir(ringfence.Client)) == {"stream_events"}  # EventStream
