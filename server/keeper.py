"""The keeper: the one process that changes headers and settings.

It serves the workers over a socket of its own. One that died is replaced; the new one finds in
the segment what the last had published.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import grpc

from ringfence.engine.control import TableWriter
from ringfence.engine.core import Engine
from ringfence.engine.segment import Segment
from ringfence.server.config import Config
from ringfence.server.drain import Drain
from ringfence.server.installation import Installation
from ringfence.server.quarantine_service import QuarantineService
from ringfence.server.routes import service
from ringfence.server.settings_book import SettingsBook
from ringfence.v1 import quarantine_service_pb2

COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]
STOP_S = 1.0

_log = logging.getLogger(__name__)


class Clock:
    """The wall clock, except that it never goes back."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._greatest = 0

    def now(self) -> int:
        """Unix seconds."""
        self._greatest = max(self._greatest, int(self._wall_clock()))
        return self._greatest


def run_keeper(installation: Installation, ready: Callable[[], None]) -> None:
    """Serves until SIGTERM."""
    asyncio.run(_serve(installation, ready))


async def _serve(installation: Installation, ready: Callable[[], None]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = installation.config
    segment = installation.open_segment()
    writer = TableWriter(segment)
    drain = Drain()
    commands = QuarantineService(
        Engine(segment),
        writer,
        open_book(segment, writer, config),
        drain,
        workers=config.server.workers,
        now=Clock().now,
    )
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", 4 << 20),))
    server.add_generic_rpc_handlers((service(COMMANDS, commands.answers),))
    installation.keeper_socket.unlink(missing_ok=True)  # of the keeper before
    server.add_insecure_port(installation.keeper_address)
    await server.start()
    ready()
    _log.info("ready")
    await stop.wait()
    drain.begin()
    await server.stop(STOP_S)


def open_book(segment: Segment, writer: TableWriter, config: Config) -> SettingsBook:
    """The settings as last published in the segment, or at first those of the configuration."""
    # No index is without its setting: nothing can be deleted in this version.
    policies = [policy for policy in segment.policies() if policy is not None]
    pools = [pool for pool in segment.pools() if pool is not None]
    if not policies and not pools:
        policies = [replace(policy, revision=1) for policy in config.policies]
        pools = [replace(pool, revision=1) for pool in config.pools]
        writer.publish(policies, pools)
    return SettingsBook(writer, segment.ring_entries, policies, pools)
