"""A keeper whose commands can be made to wait for the disk together."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.server.config.config import load_config
from ringfence.server.journal.journal import Journal
from ringfence.server.keeper.keeper import open_keeper
from ringfence.server.link.drain import Drain
from ringfence.server.state.keeper_image import StoredImage
from ringfence.v1 import quarantine_service_pb2 as pb
from support.engine import Engine
from support.told_machine import told_machine

NOW = 1_750_000_000
NUMBER = 447700900123


class Asked:
    """A call's context: who asks, with which id, given after which position, and the one message
    of a stream.
    """

    def __init__(self, command_id: str = "", message: bytes = b"", after: int = 0) -> None:
        self._command_id = command_id
        self._after = str(after)
        self._message = message

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (
            ("ringfence-actor", "ops"),
            ("ringfence-command-id", self._command_id),
            ("ringfence-command-after", self._after),
        )

    async def read(self) -> bytes:
        return self._message


class Served:
    """A keeper over a table in memory, and a gate that keeps its journal from going on."""

    def __init__(self, segment: Segment, journal: Journal) -> None:
        self.segment = segment
        self.journal = journal
        self.gate = threading.Event()
        self.gate.set()
        self._held_behind = 0
        self.now = NOW
        self.writer = TableWriter(segment)

    async def start(self) -> None:
        self.keeper = await open_keeper(
            Engine(self.segment),
            self.writer,
            self.journal,
            Drain(),
            config=load_config(),
            image=StoredImage(),
            machine=told_machine(lambda: self.now),
        )
        self.journal.after_commit(self._wait_at_gate)

    def _wait_at_gate(self) -> None:
        """Not after a commit that was done when the gate was shut, and is told of late."""
        if self.journal.last > self._held_behind:
            self.gate.wait()

    async def quarantine(
        self, *numbers: int, command_id: str = "", after: int = 0, **fields: Any
    ) -> pb.QuarantineNumbersResponse:
        request = pb.QuarantineNumbersRequest(numbers=numbers, **{"pool": "default", **fields})
        asked: Any = Asked(command_id, request.SerializeToString(), after)
        answer = await self.keeper.commands["QuarantineNumbers"](None, asked)
        return pb.QuarantineNumbersResponse.FromString(answer)

    async def put_pool(self, name: str, command_id: str = "") -> pb.Pool:
        request = pb.PutPoolRequest(pool=pb.Pool(name=name, policy="default"))
        asked: Any = Asked(command_id)
        answer = await self.keeper.commands["PutPool"](request.SerializeToString(), asked)
        return pb.Pool.FromString(answer)

    async def hold_back(self) -> None:
        """From now on commands are decided and wait together; `gate.set()` lets them go on."""
        self._held_behind = self.journal.last
        self.gate.clear()
        await self.quarantine(NUMBER + 50)


def run(segment: Segment, journal: Journal, use: Callable[[Served], Awaitable[None]]) -> None:
    """Runs `use` with a new keeper; one that is run again on the same is its replacement."""

    async def started() -> None:
        keeper = Served(segment, journal)
        await keeper.start()
        try:
            await use(keeper)
        finally:
            keeper.gate.set()

    asyncio.run(started())
