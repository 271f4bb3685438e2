"""A keeper's end of the history, and the real history process at the other: for tests.

The journal is a real one, and a real server gives it on; only the commands are made up.
"""

import asyncio
import os
import queue
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from ringfence.server.journal.journal import Journal, JournalError
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.changes.history_backlog import HistoryBacklog
from ringfence.server.keeper.changes.journal_feed import JournalFeed
from ringfence.server.link.keeper_service_pb2 import (
    DESCRIPTOR,
    ConfirmHistoryRequest,
    ConfirmHistoryResponse,
)
from ringfence.server.link.routes import parsing, service
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from support.history_process import installation
from support.nursery import BornProcess
from support.server_process import wait_until

SERVICE = DESCRIPTOR.services_by_name["KeeperService"]
DEADLINE_S = 10.0


class Keeper:
    """A journal that is served on the keeper's socket; `stop` and `start` replace the server."""

    def __init__(self, journal_folder: Path, address: str) -> None:
        self._folder = journal_folder
        self._address = address
        self.start()

    def start(self) -> None:
        """Opens the journal and serves it."""
        Path(self._address.removeprefix("unix:")).unlink(missing_ok=True)
        self.journal: Journal = open_journal(self._folder, identity=b"a test")
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        assert started.wait(DEADLINE_S)

    def stop(self) -> None:
        """Ends the server as a keeper's death would, and closes the journal."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.journal.close()

    def append(self, *values: KeeperValue) -> int:
        """Makes values durable; the position of the last."""
        done: queue.SimpleQueue[int | JournalError] = queue.SimpleQueue()
        for value in values:
            self.journal.append(value.SerializeToString(), done.put)
        positions = [done.get() for _ in values]
        assert isinstance(positions[-1], int)
        return positions[-1]

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        feed = JournalFeed(self.journal)
        self.backlog = HistoryBacklog(self.journal, 1 << 30)

        async def confirm(request: ConfirmHistoryRequest) -> ConfirmHistoryResponse:
            self.backlog.confirm(request.position)
            return ConfirmHistoryResponse()

        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            (
                service(
                    SERVICE,
                    {
                        "FollowJournal": feed.answer,
                        "ConfirmHistory": parsing(ConfirmHistoryRequest, confirm),
                    },
                ),
            )
        )
        server.add_insecure_port(self._address)
        await server.start()
        started.set()
        await self._stop.wait()
        await server.stop(0)


class HistoryInstallation:
    """A data folder with a keeper, and the history process, which is started and killed."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data, self.run_folder = folder / "data", folder / "run"
        self.data.mkdir()
        self.run_folder.mkdir()
        (self.data / "folder_id").write_bytes(secrets.token_bytes(16))
        self.config_file = folder / "config.toml"
        self.config_file.write_text(f'[history]\nurl = "{url}"\n')
        self.url = url or f"sqlite:///{self.data / 'history.db'}"
        known = installation(self.data, self.run_folder, self.config_file)
        self.keeper = Keeper(known.journal_folder("keeper"), known.keeper_address)
        self._address = known.history_address
        self._log = folder / "log"
        self.process: BornProcess | None = None

    @property
    def log(self) -> str:
        """All that history processes have logged."""
        return self._log.read_text()

    def start_history(self) -> None:
        """Starts the history process and waits until it can be asked."""
        with open(self._log, "ab") as log:
            folders = (self.data, self.run_folder, self.config_file)
            self.process = BornProcess(
                [str(path) for path in folders], log, program="support.history_process"
            )
        assert self.process.stdout.readline() == "ready\n", self.log

    def stop_history(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the history process with a signal; its exit code."""
        assert self.process is not None
        os.kill(self.process.pid, number)
        code = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.process = None
        return code

    def wait_for(self, position: int) -> None:
        """Waits until the history process has confirmed a position."""
        wait_until(lambda: self.keeper.backlog.confirmed >= position)

    def list_history(self, **fields: object) -> numbers.ListHistoryResponse:
        """Asks the history process."""
        with grpc.insecure_channel(self._address) as channel:
            return numbers_grpc.NumberServiceStub(channel).ListHistory(
                numbers.ListHistoryRequest(**fields), timeout=DEADLINE_S
            )

    def pages(self, **fields: object) -> list[numbers.HistoryEntry]:
        """All entries of all pages."""
        entries: list[numbers.HistoryEntry] = []
        token = ""
        while True:
            page = self.list_history(page_token=token, **fields)
            entries += page.entries
            token = page.next_page_token
            if not token:
                return entries

    def end(self) -> None:
        """Ends what still runs."""
        if self.process is not None:
            self.stop_history(signal.SIGKILL)
        self.keeper.stop()


@contextmanager
def history_installation(url: str = "") -> Iterator[HistoryInstallation]:
    """An installation with a keeper that runs, and no history process yet."""
    folder = Path(tempfile.mkdtemp(prefix="rfhi-", dir="/tmp"))  # short: it holds sockets
    try:
        made = HistoryInstallation(folder, url)
        try:
            yield made
        finally:
            made.end()
            if made._log.exists():
                print(made.log)
    finally:
        shutil.rmtree(folder)
