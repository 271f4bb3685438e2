"""How many connections and streams there may be: beyond it nobody else notices."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from support.places import SUPPORT
from support.server_process import (
    DEADLINE_S,
    PATIENCE_S,
    Bystanders,
    batch,
    peer_of,
    serving,
    wait_until,
)

from ringfence.server.config.address import parse_address
from ringfence.v1 import event_service_pb2_grpc as events_grpc
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc

pytestmark = pytest.mark.slow

FILES = 400  # the hard limit; the soft one is half of it
SILENT = 3 * FILES
FEEDS = WATCHERS = 256


def is_open(connection: socket.socket) -> bool:
    """Whether the other end has kept a connection on which nothing was said."""
    try:
        while True:
            if not connection.recv(1 << 16):
                return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_silent_connections_beyond_the_files_of_a_process_harm_nobody(tmp_path) -> None:
    program = (str(SUPPORT / "limited_server.py"), str(FILES))
    with (
        serving(
            tmp_path / "data", "--workers", "2", "--capacity", "1000", program=program
        ) as server,
        Bystanders(server) as bystanders,
        ExitStack() as held,
    ):
        assert f"open files of a process: {FILES}, raised from {FILES // 2}" in server.log
        address = parse_address(server.address)
        silent = [held.enter_context(each) for each in connections(address)]
        wait_until(lambda: sum(map(is_open, silent)) <= 2 * FILES // 2)
        bystanders.go_on()
        assert server.deaths == []
        held.close()

        def is_served() -> bool:
            with peer_of(server) as peer:
                request = numbers.CheckNumbersRequest(numbers=[447700900000])
                try:
                    return bool(peer.numbers.CheckNumbers(request, timeout=DEADLINE_S).verdicts)
                except grpc.RpcError:  # it has not seen yet that the others have gone
                    return False

        wait_until(is_served)
        assert server.deaths == []


def connections(address: tuple[str, int]) -> Iterator[socket.socket]:
    """Opens many connections that say nothing."""
    for _ in range(SILENT):
        made = socket.create_connection(address, timeout=DEADLINE_S)
        made.setblocking(False)
        yield made


def test_one_connection_carries_a_stream_for_every_feed_and_as_many_watchers(server) -> None:
    async def run() -> None:
        async with (
            grpc.aio.insecure_channel(server.address) as channel,
            asyncio.timeout(PATIENCE_S),
        ):
            feeds = events_grpc.EventServiceStub(channel)
            watched = numbers_grpc.NumberServiceStub(channel)
            streams = [feeds.StreamEvents() for _ in range(FEEDS)]
            watchers = [
                watched.WatchNumbers(numbers.WatchNumbersRequest()) for _ in range(WATCHERS)
            ]
            for _ in range(2):  # all are open at the same time
                await asyncio.gather(*(stream.write(batch([])) for stream in streams))
                answers = await asyncio.gather(*(stream.read() for stream in streams))
                assert all(answer.sequence == 1 for answer in answers)
            told = await asyncio.gather(*(watcher.read() for watcher in watchers))
            assert all(not message.changes for message in told)
            request = numbers.CheckNumbersRequest(numbers=[447700900000])
            assert (await watched.CheckNumbers(request)).verdicts
            for call in (*streams, *watchers):
                call.cancel()

    asyncio.run(run())
