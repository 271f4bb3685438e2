"""A keeper in the test's own process: its table in memory, its journal real, its time told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.server.config.config import Config, load_config
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.clock.machine import Machine
from ringfence.server.keeper.keeper import Keeper, open_keeper
from ringfence.server.link.drain import Drain
from ringfence.server.state.keeper_image import StoredImage
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from support.engine import Engine
from support.told_machine import told_machine

NOW = 1_750_000_000
KEY = bytes(range(16))
CALLER = 441632960123


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """The journal of a keeper, empty."""
    opened = open_journal(tmp_path / "keeper", identity=bytes(16))
    yield opened
    opened.close()


@pytest.fixture
def segment() -> Segment:
    """A table without numbers."""
    return Segment.create(None, capacity_numbers=100)


class Asked:
    """A call's context: who asks, with which id, and the one message of a stream."""

    def __init__(self, actor: str = "", command_id: str = "", message: bytes = b"") -> None:
        self._said = (("ringfence-actor", actor), ("ringfence-command-id", command_id))
        self._message = message

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._said

    async def send_initial_metadata(self, _: object) -> None:
        """Nobody waits for it."""

    async def read(self) -> bytes:
        return self._message


class KeeperInside:
    """A keeper, and events for the numbers of its table."""

    def __init__(
        self,
        segment: Segment,
        journal: Journal,
        config: Config | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.segment = segment
        self.journal = journal
        self.now = NOW
        self.engine = Engine(segment, caller_key=KEY)
        self._config = config or load_config()
        self._machine = machine or told_machine(lambda: self.now)
        self.keeper: Keeper

    async def start(
        self, image: StoredImage | None = None, *, kept_since: Callable[[], int] = lambda: 0
    ) -> None:
        """Opens it; one that is opened on the same segment and journal is its replacement."""
        self.writer = TableWriter(self.segment)
        self.keeper = await open_keeper(
            Engine(self.segment),
            self.writer,
            self.journal,
            Drain(),
            config=self._config,
            image=image or StoredImage(),
            kept_since=kept_since,
            machine=self._machine,
        )
        self.keeper.candidates.scanner.start()

    async def stop(self) -> None:
        """Ends what it does unasked; what it has decided is in its journal."""
        await self.keeper.candidates.scanner.stop()

    async def ask(
        self, method: str, *, actor: str = "", command_id: str = "", **fields: Any
    ) -> Any:
        """The answer to a method with one request of these fields; raises a refusal."""
        module: Any = numbers if hasattr(numbers, f"{method}Request") else commands
        request: Message = getattr(module, f"{method}Request")(**fields)
        data = request.SerializeToString()
        context: Any = Asked(actor, command_id, data)
        answers = self.keeper.reservations if module is numbers else self.keeper.commands
        answer = await answers[method](None if method == "QuarantineNumbers" else data, context)
        assert answer is not None
        service = next(iter(module.DESCRIPTOR.services_by_name.values()))
        response: Any = module
        name = service.methods_by_name[method].output_type.name
        return getattr(response, name).FromString(answer)

    def call(self, *called: int, at: int | None = None, caller: int = CALLER) -> None:
        """Somebody calls these numbers."""
        inserted = self.engine.insert(
            np.array(called, np.uint64),
            np.full(len(called), caller, np.uint64),
            np.full(len(called), self.now if at is None else at, np.uint32),
            np.ones(len(called), np.int32),
            now=self.now,
        )
        assert inserted.accepted == len(called)

    def verdicts(self, *asked: int) -> list[int]:
        """The verdicts of numbers."""
        found: list[int] = self.engine.check(np.array(asked, np.uint64), now=self.now)[0].tolist()
        return found


def run(
    segment: Segment,
    journal: Journal,
    use: Callable[[KeeperInside], Awaitable[None]],
    *,
    config: Config | None = None,
    image: StoredImage | None = None,
    machine: Machine | None = None,
) -> None:
    """Runs `use` with a new keeper."""

    async def started() -> None:
        keeper = KeeperInside(segment, journal, config, machine)
        await keeper.start(image)
        try:
            await use(keeper)
        finally:
            await keeper.stop()

    asyncio.run(started())
