"""The keeper: the one process that changes headers and settings.

It serves the workers over a socket of its own. One that died is replaced; the new one applies
what the journal holds and the segment does not, and goes on from there.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError

from ringfence.engine.control import TableWriter
from ringfence.engine.core import Engine
from ringfence.engine.journal import Journal, JournalDamaged, JournalDown, JournalReader
from ringfence.engine.journal_lmdb import open_journal
from ringfence.server.command_log import ANSWERS_MAX, CommandLog
from ringfence.server.config import Config
from ringfence.server.drain import Drain
from ringfence.server.installation import KEEPER, Installation
from ringfence.server.keeper_state import KeeperState
from ringfence.server.keeper_value_pb2 import KeeperValue
from ringfence.server.quarantine_service import QuarantineService
from ringfence.server.routes import service
from ringfence.server.setting_messages import policy_message, pool_message
from ringfence.server.snapshot_taker import newest_taken_at
from ringfence.server.truncation import keep_truncating
from ringfence.v1 import quarantine_service_pb2

COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]
STOP_S = 1.0
REPLAY_PAUSE_S = 0.1

_log = logging.getLogger(__name__)


class Clock:
    """The wall clock, except that it never goes back, not even to before what was journalled."""

    def __init__(self, wall_clock: Callable[[], float] = time.time, *, greatest: int = 0) -> None:
        self._wall_clock = wall_clock
        self._greatest = greatest

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
    journal = open_journal(
        installation.journal_folder(KEEPER), map_size_bytes=config.journal.map_size_bytes
    )
    drain = Drain()
    commands = await open_commands(
        Engine(segment),
        TableWriter(segment),
        journal,
        drain,
        config=config,
        snapshots=installation.snapshots,
    )
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", 4 << 20),))
    server.add_generic_rpc_handlers((service(COMMANDS, commands.answers),))
    installation.keeper_socket.unlink(missing_ok=True)  # of the keeper before
    server.add_insecure_port(installation.keeper_address)
    await server.start()
    ready()
    _log.info("ready")
    truncating = asyncio.create_task(keep_truncating(installation.run_folder, journal))
    await stop.wait()
    truncating.cancel()
    drain.begin()
    await server.stop(STOP_S)
    journal.close()


async def open_commands(
    engine: Engine,
    writer: TableWriter,
    journal: Journal,
    drain: Drain,
    *,
    config: Config,
    snapshots: Path,
    wall_clock: Callable[[], float] = time.time,
) -> QuarantineService:
    """The commands over a segment that was brought to where the journal is."""
    state = KeeperState(engine.segment, writer)
    while True:
        try:
            state.catch_up(keeper_values(journal, state.applied))
            recent = [
                value
                for _, value in keeper_values(
                    journal, max(journal.first - 1, journal.last - ANSWERS_MAX)
                )
            ]
            break
        except JournalDown:  # it is just being opened again
            await asyncio.sleep(REPLAY_PAUSE_S)
    clock = Clock(wall_clock, greatest=recent[-1].decided_at if recent else 0)
    log = CommandLog(journal, state, clock.now, recent)
    if not state.published.policies:
        await log.begin(_first_settings(config), lambda _: quarantine_service_pb2.Policy())
    return QuarantineService(
        engine,
        state,
        log,
        journal,
        drain,
        workers=config.server.workers,
        now=clock.now,
        snapshot_at=lambda: newest_taken_at(snapshots),
    )


def keeper_values(journal: JournalReader, after: int) -> Iterator[tuple[int, KeeperValue]]:
    """The commands behind a position of the keeper's journal; raises JournalError."""
    for position, data in journal.replay(after):
        try:
            yield position, KeeperValue.FromString(data)
        except DecodeError as error:
            raise JournalDamaged(
                f"{journal.folder}: not a command: position={position}: {error}"
            ) from None


def _first_settings(config: Config) -> KeeperValue:
    """The settings of the file, as the first command: from then on only commands change them."""
    value = KeeperValue(command="config")
    for index, policy in enumerate(config.policies):
        value.policies.add(index=index, policy=policy_message(replace(policy, revision=1)))
    for index, pool in enumerate(config.pools):
        value.pools.add(index=index, pool=pool_message(replace(pool, revision=1)))
    return value
