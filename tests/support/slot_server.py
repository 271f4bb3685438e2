"""A server in the test's own process that is killed and starts again: recovery, journals, keeper.

Its data folder is real, and so are snapshots, the segment in shared memory, and what a start makes
of them. One worker inserts; commands are asked of the keeper itself.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ringfence.engine.snapshot import (
    KEPT,
    list_snapshots,
    prune_snapshots,
    snapshot_number,
    snapshot_taken_at,
    write_snapshot,
)
from ringfence.server.config.config import load_config
from ringfence.server.folder.data_folder import hold_data_folder
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER, journal_identity, worker_name
from ringfence.server.journal.event_value import EventValue, encode_event_value
from ringfence.server.journal.journal import Journal
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.numbers.departures import Departures
from ringfence.server.link.keeper_service_pb2 import ReadImageResponse
from ringfence.server.recovery.recovered import Recovered
from ringfence.server.recovery.recovery import run_recovery
from ringfence.server.state.keeper_image import newest_image
from support.engine import Engine
from support.keeper_inside import KEY, NOW, KeeperInside
from support.kept_image import Written
from support.small_table import Event, take

WORKER = worker_name(0)
DURABLE_S = 60


class SlotServer:
    """One installation, between two starts."""

    def __init__(self, folder: Path, *, capacity_numbers: int) -> None:
        self.now = NOW
        self._loop = asyncio.new_event_loop()
        self._held = ExitStack()
        held = self._held.enter_context(hold_data_folder(folder / "data", wait_s=0))
        run_folder = folder / "run"
        run_folder.mkdir()
        self.installation = Installation(
            load_config(None, workers=1, capacity_numbers=capacity_numbers),
            folder / "data",
            run_folder,
            held.folder_id,
            KEY,
        )
        self.start()

    def start(self) -> str:
        """Recovers what there is and opens a keeper; what it went on from."""
        run_recovery(self.installation)
        recovered = Recovered.read(self.installation.run_folder)
        assert not recovered.refusal
        segment = self.installation.open_segment()
        self._journals = {name: self._open(name) for name in (KEEPER, WORKER)}
        self.engine = Engine(segment, caller_key=KEY)
        self.inside = KeeperInside(segment, self._journals[KEEPER])
        self.inside.now = self.now
        image = newest_image(self.installation.snapshots)
        self.run(self.inside.start(image, kept_since=self.kept_since))
        return recovered.source

    def kill(self, *, reboot: bool) -> None:
        """All processes end; the segment goes where the machine does too."""
        self.run(self.inside.stop())
        for journal in self._journals.values():
            journal.close()
        if reboot:
            self.installation.segment_path.unlink()

    def close(self) -> None:
        """The end of it."""
        self.kill(reboot=True)
        self._held.close()
        self._loop.close()

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.now += seconds
        self.inside.now = self.now

    def ask(self, method: str, **fields: Any) -> Any:
        """The keeper's answer; raises what it raises."""
        return self.run(self.inside.ask(method, **fields))

    def call(self, events: list[Event]) -> int:
        """Somebody calls, and the worker journals it; how many events were accepted."""
        inserted = take(self.engine, events, now=self.now)
        durable = threading.Event()
        value = encode_event_value(EventValue("feed", None, inserted.taken))
        journal = self._journals[WORKER]
        journal.append(value, lambda _: durable.set())
        assert durable.wait(DURABLE_S)
        self.engine.set_journalled(journal.last)
        return inserted.accepted

    def depart(self, kept_s: int) -> None:
        """What ended so long ago leaves the table."""
        keeper = self.inside.keeper
        departures = Departures(self.inside.engine, keeper.state, keeper.log, kept_s=kept_s)
        self.run(departures.let_go())

    def snapshot(self) -> None:
        """Takes a snapshot as the snapshot process does; the keeper forgets what lies behind."""
        segment, folder = self.inside.segment, self.installation.snapshots
        folder.mkdir(exist_ok=True)
        positions = {WORKER: segment.counters()[0].journalled}
        applied = segment.applied
        written, present = Written(), list_snapshots(folder)
        context: Any = written
        self.run(self.inside.keeper.internal["ReadImage"](b"", context))
        answers = [ReadImageResponse.FromString(message) for message in written.messages[1:]]
        write_snapshot(
            segment,
            folder,
            number=snapshot_number(present[0]) + 1 if present else 1,
            positions=positions,
            keeper_position=applied,
            keeper_state=[answer.part for answer in answers if answer.part],
            hand_outs=[answer.hand_outs for answer in answers if answer.hand_outs],
            keeper_state_position=written.position,
            taken_at=self.now,
        )
        prune_snapshots(folder)
        self.inside.keeper.state.former_lives.forget(self.kept_since())

    def kept_since(self) -> int:
        """When the older of the kept snapshots was taken; 0 = there are not two."""
        return snapshot_taken_at(self.installation.snapshots, KEPT - 1)

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Waits for something that the keeper does."""
        return self._loop.run_until_complete(asyncio.wait_for(what, DURABLE_S))

    def _open(self, name: str) -> Journal:
        return open_journal(
            self.installation.journal_folder(name),
            identity=journal_identity(self.installation.folder_id, name),
            map_size_bytes=64 << 20,
        )
