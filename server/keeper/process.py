"""The keeper's process: it serves the others over a socket of its own until it is asked to stop."""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import suppress

import grpc

from ringfence.engine.snapshot import KEPT, snapshot_taken_at
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER, journal_identity
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.journal.truncation import keep_truncating
from ringfence.server.keeper.coverage.orphan_claims import report_orphans
from ringfence.server.keeper.keeper import open_keeper
from ringfence.server.keeper.keeper_service import KeeperService
from ringfence.server.link.drain import Drain
from ringfence.server.link.routes import service
from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.link.turns import SWITCH_S
from ringfence.server.state.keeper_image import newest_image
from ringfence.v1 import number_service_pb2, quarantine_service_pb2

COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]
NUMBERS = number_service_pb2.DESCRIPTOR.services_by_name["NumberService"]
STOP_S = 1.0

_log = logging.getLogger(__name__)


def run_keeper(installation: Installation, signs: SignsOfLife) -> None:
    """Serves until SIGTERM."""
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(_serve(installation, signs))


async def _serve(installation: Installation, signs: SignsOfLife) -> None:
    sys.setswitchinterval(SWITCH_S)  # the scanner's thread is beside the loop
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = installation.config
    segment = installation.open_segment()
    journal = open_journal(
        installation.journal_folder(KEEPER),
        identity=journal_identity(installation.folder_id, KEEPER),
        map_size_bytes=config.journal.map_size_bytes,
    )
    drain = Drain()
    keeper = await open_keeper(
        VerdictReader(segment),
        TableWriter(segment),
        journal,
        drain,
        config=config,
        image=newest_image(installation.snapshots),
        snapshot_at=lambda: snapshot_taken_at(installation.snapshots, 0),
        kept_since=lambda: snapshot_taken_at(installation.snapshots, KEPT - 1),
    )
    gc.collect()
    gc.freeze()  # what is there now lives as long as the process: it need not be looked at again
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", 4 << 20),))
    server.add_generic_rpc_handlers(
        (
            service(COMMANDS, keeper.commands),
            service(NUMBERS, keeper.reservations),
            service(KeeperService.DESCRIPTOR, keeper.internal),
        )
    )
    installation.keeper_socket.unlink(missing_ok=True)  # of the keeper before
    server.add_insecure_port(installation.keeper_address)
    await server.start()
    signs.ready()
    signs.follow(asyncio.get_running_loop())
    _log.info("ready")
    truncating = keep_truncating(installation.run_folder, journal, lambda: keeper.backlog.confirmed)
    orphans = report_orphans(installation, keeper.reports)
    working = asyncio.gather(truncating, orphans, *keeper.work())
    stopped = asyncio.create_task(stop.wait())
    working.add_done_callback(lambda _: stopped.cancel())  # one of them has failed
    try:
        await stopped
    except asyncio.CancelledError:
        working.result()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    drain.begin()
    await server.stop(STOP_S)
    await keeper.candidates.scanner.stop()
    journal.close()
