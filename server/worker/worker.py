"""A worker: a gRPC server on the shared port that takes events and answers for numbers."""

import asyncio
import logging
import os
import resource
import signal
import sys
from contextlib import suppress

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.memory.one_time import OneTime
from ringfence.server.config.address import socket_path
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import journal_identity, worker_name
from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.journal.truncation import keep_truncating
from ringfence.server.link.drain import Drain
from ringfence.server.link.heap import share_heap
from ringfence.server.link.held_calls import HeldCalls
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.routes import service
from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.link.turns import SWITCH_S, Turns
from ringfence.server.worker.claim_reporter import ClaimReporter
from ringfence.server.worker.command_health import CommandWatch
from ringfence.server.worker.event_service import EventService
from ringfence.server.worker.feed_claims import FeedClaims
from ringfence.server.worker.memory_guard import guard_memory
from ringfence.server.worker.number_service import NumberService
from ringfence.server.worker.published_settings import PublishedSettings
from ringfence.server.worker.quarantine_stream import QuarantineStream
from ringfence.server.worker.watch_service import WatchService
from ringfence.v1 import event_service_pb2, number_service_pb2, quarantine_service_pb2

EVENTS = event_service_pb2.DESCRIPTOR.services_by_name["EventService"]
NUMBERS = number_service_pb2.DESCRIPTOR.services_by_name["NumberService"]
COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]

DRAIN_S = 6.0
HEALTH_PAUSE_S = 0.1
CALLS_MAX = 16_384  # with streams: 256 feeds, and as many watchers as there may be allocators
PENDING_CALLS = 16_384  # of sixteen connections with as many as each may have
PENDING_CALLS_MAX = 20_480
LOOKAHEAD_BYTES = 16 << 10  # of each call
TIME_PAUSE_S = 0.02
SERVER_OPTIONS = (
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_concurrent_streams", 1_024),  # of one connection; beyond it the client waits
    # Calls of all connections that wait for this process to take them: beyond that gRPC ends new
    # ones, whosesoever they are, more and more of them until there is the greatest number.
    ("grpc.server.max_pending_requests", PENDING_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS_MAX),
    # What may come for a call before it is taken; it has no other bound while it waits.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    # A feed may ping a quiet connection as often as every 5 s; one that is gone is noticed.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
FILES_RESERVED = 256  # for what is no client's: journal, segment, the keeper's connections

_log = logging.getLogger(__name__)


def run_worker(installation: Installation, index: int, address: str, signs: SignsOfLife) -> None:
    """Serves until SIGTERM, then drains."""
    sys.setswitchinterval(SWITCH_S)
    share_heap()
    asyncio.run(_serve(installation, index, address, signs))


async def _serve(installation: Installation, index: int, address: str, signs: SignsOfLife) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    segment = installation.open_segment()
    inserter = EventInserter(segment, caller_key=installation.caller_key, worker=index)
    journal = open_journal(
        installation.journal_folder(worker_name(index)),
        identity=journal_identity(installation.folder_id, worker_name(index)),
        map_size_bytes=installation.config.journal.map_size_bytes,
    )
    _publish_journalled(journal, inserter)
    calls = HeldCalls()
    drain = Drain(calls)
    link = KeeperLink(installation.keeper_address, lambda: segment.applied)
    reporter = ClaimReporter(journal, FeedClaims(segment), link)
    clock = OneTime(segment)
    events = EventService(inserter, AwaitedJournal(journal), drain, reporter, clock)
    history = KeeperLink(installation.history_address)
    settings = PublishedSettings(segment)
    turns = Turns("long-reads")
    watchers = WatchService(segment, link, settings, drain, turns)
    numbers = {
        **{method.name: link.answer(method) for method in NUMBERS.methods},
        "ListHistory": history.answer(NUMBERS.methods_by_name["ListHistory"]),
        **watchers.answers,
        **NumberService(segment, link, settings, turns, clock).answers,
    }
    commands = {method.name: link.answer(method) for method in COMMANDS.methods}
    quarantine = COMMANDS.methods_by_name["QuarantineNumbers"]
    commands[quarantine.name] = QuarantineStream(quarantine, link, drain).answer
    who = (("ringfence-worker", str(index)),)
    connections = ("grpc.max_allowed_incoming_connections", _connections_max())
    server = grpc.aio.server(
        options=(*SERVER_OPTIONS, connections), maximum_concurrent_rpcs=CALLS_MAX
    )
    server.add_generic_rpc_handlers(
        (
            service(EVENTS, events.answers, who, calls),
            service(NUMBERS, numbers, who, calls),
            service(COMMANDS, commands, who, calls),
        )
    )
    healthy = await _add_health_and_reflection(server)
    _listen(server, address)
    await wait_for_time(clock, stop)
    watch = CommandWatch(COMMANDS.full_name, link, healthy)
    await watch.begin()
    await server.start()
    guard_memory(calls)
    signs.ready()
    signs.follow(asyncio.get_running_loop())
    _log.info("ready on %s", address)
    watching = asyncio.gather(
        _watch_journal(journal, healthy),
        watch.keep_looking(),
        keep_truncating(installation.run_folder, journal),
        reporter.keep_reporting(),
    )
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopping, watching), return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()  # raises: a worker that looks after nothing is replaced
    _log.info("draining")
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await healthy.enter_graceful_shutdown()
    drain.begin()
    await server.stop(DRAIN_S)
    await watchers.close()
    await link.close()
    await history.close()
    journal.close()


async def wait_for_time(clock: OneTime, stop: asyncio.Event) -> None:
    """Waits for a keeper that is still reading its journal, unless this process is to stop."""
    while not clock.known and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TIME_PAUSE_S)


def _listen(server: grpc.aio.Server, address: str) -> None:
    """Binds the address; a unix socket is open to the server's user alone, from the first on."""
    if socket_path(address) is None:
        server.add_insecure_port(address)
        return
    before = os.umask(0o177)
    try:
        server.add_insecure_port(address)  # takes the place of what a killed worker has left
    finally:
        os.umask(before)


def _connections_max() -> int:
    """How many clients this worker takes: beyond them a connection is closed at once."""
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(files_max - FILES_RESERVED, files_max // 2)


def _publish_journalled(journal: Journal, inserter: EventInserter) -> None:
    """Says now and after each commit what is durable: it was inserted before it was journalled."""
    inserter.set_journalled(journal.last)
    journal.after_commit(lambda: inserter.set_journalled(journal.last))


async def _watch_journal(journal: Journal, healthy: health.aio.HealthServicer) -> None:
    """Lets health say that no events are taken while the journal takes none."""
    told = True
    while True:
        if journal.writable != told:
            told = journal.writable
            status = health_pb2.HealthCheckResponse
            await healthy.set(EVENTS.full_name, status.SERVING if told else status.NOT_SERVING)
        await asyncio.sleep(HEALTH_PAUSE_S)


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
