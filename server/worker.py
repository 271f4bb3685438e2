"""A worker: a gRPC server on the shared port that takes events and answers for numbers."""

import asyncio
import logging
import signal
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ringfence.engine.core import Engine
from ringfence.server.drain import Drain
from ringfence.server.event_service import EventService
from ringfence.server.installation import Installation
from ringfence.server.keeper_link import KeeperLink
from ringfence.server.number_service import NumberService
from ringfence.server.quarantine_stream import QuarantineStream
from ringfence.server.routes import service
from ringfence.v1 import event_service_pb2, number_service_pb2, quarantine_service_pb2

EVENTS = event_service_pb2.DESCRIPTOR.services_by_name["EventService"]
NUMBERS = number_service_pb2.DESCRIPTOR.services_by_name["NumberService"]
COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]

DRAIN_S = 6.0
SERVER_OPTIONS = (
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", 4 << 20),
    # A feed may ping a quiet connection as often as every 5 s; one that is gone is noticed.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)

_log = logging.getLogger(__name__)


def run_worker(
    installation: Installation, index: int, address: str, ready: Callable[[], None]
) -> None:
    """Serves until SIGTERM, then drains."""
    asyncio.run(_serve(installation, index, address, ready))


async def _serve(
    installation: Installation, index: int, address: str, ready: Callable[[], None]
) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    segment = installation.open_segment()
    engine = Engine(segment, caller_key=installation.caller_key, worker=index)
    drain = Drain()
    link = KeeperLink(installation.keeper_address)
    commands = {method.name: link.answer(method) for method in COMMANDS.methods}
    quarantine = COMMANDS.methods_by_name["QuarantineNumbers"]
    commands[quarantine.name] = QuarantineStream(quarantine, link, drain).answer
    who = (("ringfence-worker", str(index)),)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers(
        (
            service(EVENTS, EventService(engine, drain).answers, who),
            service(NUMBERS, NumberService(engine, Engine(segment)).answers, who),
            service(COMMANDS, commands, who),
        )
    )
    healthy = await _add_health_and_reflection(server)
    server.add_insecure_port(address)
    await server.start()
    ready()
    _log.info("ready on %s", address)
    await stop.wait()
    _log.info("draining")
    await healthy.enter_graceful_shutdown()
    drain.begin()
    await server.stop(DRAIN_S)
    await link.close()


async def _add_health_and_reflection(server: grpc.aio.Server) -> health.aio.HealthServicer:
    names = [descriptor.full_name for descriptor in (EVENTS, NUMBERS, COMMANDS)]
    healthy = health.aio.HealthServicer()
    for name in names:
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection(
        [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    return healthy
