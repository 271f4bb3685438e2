"""A storm over a server: allocators in processes of their own, and blows at random moments.

The keeper's journal is read whenever all processes are gone. Between two such moments there is one
snapshot, so that nothing is truncated unread: a journal is cut behind the older of two.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from ringfence.server.folder.data_folder import hold_data_folder
from ringfence.server.folder.journal_folders import KEEPER, journal_identity
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.journal.lmdb_journal import open_for_replay
from support.allocators import CALLS, NOISY_S
from support.places import SUPPORT
from support.reservation_ledger import ReservationLedger
from support.server_process import ServerProcess

NUMBERS = range(447700900000, 447700900500)
ALLOCATORS = int(os.environ.get("RINGFENCE_STORM_ALLOCATORS", "32"))
PROCESSES = 2
WORKERS = 3
RESERVATIONS_KEPT_S = 60
CONFIG = f"""
[scan]
period = "1s"
[queue]
reservations_kept = "{RESERVATIONS_KEPT_S}s"
[snapshot]
interval = "1d"
# Callers are drawn by lot: one that happens to call enough numbers would be a spray caller, whose
# calls do not count, and what it called would rightly be handed out.
[spray]
numbers = 0
[[policy]]
name = "default"
minimum_age = "0s"
minimum_coverage = 0.95
[[policy.rule]]
measure = "EVENTS"
window = "{NOISY_S}s"
limit = {CALLS - 1}
[[pool]]
name = "default"
policy = "default"
required_feeds = []
"""
BLOWS = (
    *("worker",) * 6,
    *("keeper",) * 6,
    *("workers", "history", "worker and keeper") * 2,
    *("supervisor", "everything", "power") * 2,
)
"""As often as they are here; `power` also takes what is in shared memory."""


class Storm:
    """A server that is killed and started again, always on the same port and data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._config = folder / "storm.toml"
        self._config.write_text(CONFIG)
        self.address = "127.0.0.1:0"
        self.ledger = ReservationLedger(reservations_kept_s=RESERVATIONS_KEPT_S)
        self.blows: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        """Starts it, waits until it is ready, and has it take a snapshot amid what follows."""
        self.server = ServerProcess(
            self._data,
            *("--config", str(self._config), "--workers", str(WORKERS), "--capacity", "1000"),
            listen=self.address,
        )
        assert self.server.ready_line.startswith("ringfence ready "), self.server.log
        self.address = self.server.address
        self.server.process.send_signal(signal.SIGUSR1)

    def strike(self, dice: random.Random) -> str:
        """Kills something, and brings back what nobody else would; says what."""
        blow = dice.choice(BLOWS)
        workers = [f"worker-{index}" for index in range(WORKERS)]
        victims = {
            "worker": [dice.choice(workers)],
            "keeper": ["keeper"],
            "workers": workers,
            "history": ["history"],
            "worker and keeper": [dice.choice(workers), "keeper"],
            "supervisor": ["supervisor"],
        }.get(blow, [*workers, "keeper", "supervisor"])
        for role in dice.sample(victims, len(victims)):
            # A process that never became ready, five times in a row, ends the server.
            if role == "supervisor" or self._ready(role) or dice.random() < 0.3:
                with suppress(ProcessLookupError):  # gone already
                    os.kill(self._pid(role), signal.SIGKILL)
        self.blows[blow] += 1
        if "supervisor" in victims:
            self._restart(reboot=blow == "power")
        return blow

    def _pid(self, role: str) -> int:
        return self.server.process.pid if role == "supervisor" else self.server.pid(role)

    def _ready(self, role: str) -> bool:
        return f" pid={self._pid(role)} role={role} ready" in self.server.log

    def stop(self) -> None:
        """Stops it as an operator would, and reads what its journal has."""
        assert self.server.stop() == 0, self.server.log
        self._restart(reboot=True)

    def _restart(self, *, reboot: bool) -> None:
        server, run_folder = self.server, self.server.run_folder
        server.process.wait()
        server.end()
        with hold_data_folder(self._data) as held:  # free only when the last process is gone
            self._read_journal(held.folder_id)
            if reboot:
                shutil.rmtree(run_folder, ignore_errors=True)
        self.start()

    def _read_journal(self, folder_id: bytes) -> None:
        """Takes what the journal has that was not read yet."""
        identity = journal_identity(folder_id, KEEPER)
        folder = self._data / "journal" / KEEPER
        with closing(open_for_replay(folder, identity=identity, walk=False)) as journal:
            for position, value in keeper_values(journal, self.ledger.position):
                self.ledger.take(position, value)


class AllocatorProcesses:
    """The processes of all allocators, and what they wrote down."""

    def __init__(self, address: str, seed: int, folder: Path) -> None:
        self._records = [folder / f"allocators-{index}.jsonl" for index in range(PROCESSES)]
        self._processes = [
            subprocess.Popen(
                [
                    *(sys.executable, SUPPORT / "allocators.py", address),
                    *(record, str(seed + index), str(ALLOCATORS // PROCESSES)),
                    *(str(NUMBERS[0]), str(len(NUMBERS))),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for index, record in enumerate(self._records)
        ]
        self._said = [(0, 0)] * PROCESSES  # attempts, wrong answers
        self._counting = [
            threading.Thread(target=self._count, args=[index], daemon=True)
            for index in range(PROCESSES)
        ]
        for thread in self._counting:
            thread.start()

    def end(self) -> None:
        """Has them end their work; each is sure of its last answer."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            assert process.wait(60) == 0

    def kill(self) -> None:
        """Makes sure that none runs any more."""
        for process, thread in zip(self._processes, self._counting, strict=True):
            process.kill()
            process.wait()
            thread.join()
            assert process.stdout is not None
            process.stdout.close()

    @property
    def attempts(self) -> int:
        """How many they said there were."""
        return sum(attempts for attempts, _ in self._said)

    @property
    def well(self) -> bool:
        """Whether all work and got no answer that must not be."""
        return not any(wrongs for _, wrongs in self._said) and all(
            process.poll() is None for process in self._processes
        )

    def lines(self, kind: str) -> Iterator[dict[str, Any]]:
        """What they wrote down of a kind."""
        for record in self._records:
            with record.open() as lines:
                for line in lines:
                    if f'"kind": "{kind}"' in line[:40]:
                        yield json.loads(line)

    def _count(self, index: int) -> None:
        stdout = self._processes[index].stdout
        assert stdout is not None
        for line in stdout:
            attempts, wrongs = map(int, line.split())
            self._said[index] = attempts, wrongs


def overlaps(reservations: Iterable[dict[str, Any]], holds: Iterable[dict[str, Any]]) -> list[str]:
    """Where two allocators certainly had the same number at the same time."""
    held: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for hold in holds:
        for number in hold["numbers"]:
            held[number].append((hold["ended"], hold["begun"]))
    for each in held.values():
        each.sort()
    possessions: defaultdict[int, list[tuple[float, float, str]]] = defaultdict(list)
    for kept in reservations:
        begun = kept["answered"]
        for number, until in zip(kept["numbers"], kept["until"], strict=True):
            # A hold that was not over when the reservation was asked for may have taken the number
            # at any moment, even before the answer came.
            holds_of = held[number][bisect_left(held[number], (kept["begun"], 0.0)) :]
            at = min((hold_begun for _, hold_begun in holds_of), default=until)
            end = min(float(until), at)
            if end > begun:
                possessions[number].append((begun, end, kept["id"]))
    found = []
    for number, had in possessions.items():
        had.sort()
        for (begun, end, one), (later, _, other) in pairwise(had):
            if later < end:
                found.append(f"+{number}: {one} had it {begun} to {end}, {other} from {later}")
    return found


def noisy_ones(
    reservations: Iterable[dict[str, Any]],
    calls: Iterable[dict[str, Any]],
    quarantined_at: Mapping[tuple[str, int], int],
) -> list[str]:
    """Where an allocator was given a number that had certainly been called too often.

    Calls count that came after its quarantine began, see ReservationLedger.
    """
    called: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for call in calls:
        for number in call["numbers"]:
            called[number].append((call["answered"], call["at"]))
    found = []
    for kept in reservations:
        for number in kept["numbers"]:
            for answered, at in called[number]:
                counts = quarantined_at[kept["id"], number] < at
                if counts and answered < kept["begun"] and kept["created_at"] < at + NOISY_S:
                    found.append(f"+{number}: called at {at}, and in {kept['id']} later")
    return found


def wait_for_second(moment: float) -> None:
    """Returns when the wall clock is past a moment, for what the server does by that clock."""
    while (left_s := moment - time.time()) > 0:
        time.sleep(left_s)
