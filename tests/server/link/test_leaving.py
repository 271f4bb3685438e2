"""Clients that leave while they are refused: there is nobody to tell, and nothing to log."""

import asyncio
import random

import grpc
import pytest
from support.server_process import ServerProcess

from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import event_service_pb2_grpc as events_grpc
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc

pytestmark = pytest.mark.slow

CALLS = 2_000
AT_ONCE = 60
CONNECTIONS = 4
PATIENCE_S = 0.02  # of a client, at most: about as long as an answer takes


async def leave_early(address: str, seed: int) -> None:
    """Makes calls that the worker or the keeper refuses, and cancels most of them before."""
    chance = random.Random(seed)
    channels = [
        grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))
        for _ in range(CONNECTIONS)
    ]

    def refused(channel: grpc.aio.Channel) -> grpc.aio.Call:
        asked = numbers_grpc.NumberServiceStub(channel)
        match chance.randrange(5):
            case 0:
                return asked.ReserveNumbers(numbers.ReserveNumbersRequest(pool="nobody", count=1))
            case 1:
                return asked.CheckNumbers(numbers.CheckNumbersRequest(numbers=[1]))
            case 2:
                return asked.ListHistory(numbers.ListHistoryRequest(page_token="none"))
            case 3:
                return asked.WatchNumbers(numbers.WatchNumbersRequest(pool="nobody"))
            case _:
                return events_grpc.EventServiceStub(channel).StreamEvents(
                    iter([events.StreamEventsRequest(feed="/")])
                )

    async def call_and_leave() -> None:
        for _ in range(CALLS // AT_ONCE):
            call = refused(chance.choice(channels))
            await asyncio.sleep(chance.random() * PATIENCE_S)
            call.cancel()

    await asyncio.gather(*(call_and_leave() for _ in range(AT_ONCE)))
    for channel in channels:
        await channel.close()


def test_clients_that_leave_while_they_are_refused_leave_nothing_in_the_log(
    own_server: ServerProcess,
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    asyncio.run(leave_early(own_server.address, seed))
    lines = own_server.log.splitlines()
    assert [line for line in lines if "Traceback" in line or " ERROR " in line] == []
