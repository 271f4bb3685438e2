"""`ringfence data backup` copies a folder that is being served; `data restore` brings it back."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from operator import ge, gt
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from support.damaged_folder import identity_of, truncate
from support.durable_server import (
    BEGAN,
    CALLED,
    TWO,
    fill,
    flip,
    history,
    killed,
    put_pool,
    recovered_from,
    refusal_of,
    send,
    state_of,
    take_snapshot,
)
from support.engine import Engine
from support.nursery import run_ringfence
from support.server_process import DEADLINE_S, Peer, ServerProcess, peer_of, serving, wait_until
from support.small_disk import fill as fill_disk
from support.small_disk import small_memory

from ringfence.engine.memory.segment import Segment
from ringfence.server.folder.secret_file import make_secret
from ringfence.server.folder.snapshot_lock import change_snapshots
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.server.tools.backup import back_up
from ringfence.server.tools.data_copy import CopyError
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

NUMBERS = [447700900000 + i for i in range(1_000)]
LARGE = ("--workers", "2", "--capacity", "2000")
Batch = dict[str, list[int]]

RINGFENCE = (sys.executable, "-m", "ringfence.cli", "data")


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and output of `ringfence data`."""
    done = run_ringfence("data", *arguments)
    return done.returncode, done.stdout + done.stderr


def done(*arguments: str | Path) -> str:
    """The output of a command that must do its work."""
    code, output = run(*arguments)
    assert code == 0, output
    return output


def names(folder: Path) -> set[str]:
    """What lies in a folder, with what lies in its folders."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def table_of(server: ServerProcess) -> dict[int, tuple[int, list[int]]]:
    """Pool and number, when quarantined, and ring: the state without the times of decisions."""
    records = Engine(Segment.open(server.run_folder / "segment")).records()
    return {
        int(record["key"]): (int(record["quarantined_at"]), sorted(record["entries"].tolist()))
        for record in records
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The data folder of a server that was killed, its state, and a backup made while it ran."""
    data = tmp_path_factory.mktemp("backup") / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        fill(peer, 1)
        snapshot = take_snapshot(server)
        fill(peer, 2)
        state = state_of(server)
        backup = data.with_name("saved")
        output = done("backup", data, backup, "--json")
    return SimpleNamespace(
        data=data, backup=backup, state=state, snapshot=snapshot, row=json.loads(output)
    )


def test_backup_of_a_running_server_has_the_layout_of_a_data_folder(
    original: SimpleNamespace,
) -> None:
    keeper = original.row["journals"]["keeper"]  # 6 commands, and what a scan found
    assert original.row["journals"] == {"keeper": max(6, keeper), "worker-0": 80, "worker-1": 0}
    assert original.row["snapshots"] == [original.snapshot.name]
    assert original.row["verified"] is True
    files = {path for path in names(original.backup) if (original.backup / path).is_file()}
    assert files == {
        "folder_id",
        "caller_key",
        "history.db",
        f"snapshots/{original.snapshot.name}",
        *(f"journal/{name}/data.mdb" for name in original.row["journals"]),
        *(f"journal/{name}/last" for name in original.row["journals"]),
    }
    assert {(original.backup / path).stat().st_mode & 0o777 for path in files} == {0o600}
    counted = [path for path in files if not path.endswith("/last")]
    size_bytes = sum((original.backup / path).stat().st_size for path in counted)
    assert original.row["size_bytes"] == size_bytes
    assert names(original.backup.parent) & {".saved.unfinished"} == set()


def test_restored_server_goes_on_where_the_backup_was_made(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    output = done("restore", original.backup, data)
    assert f"{original.snapshot.name}, taken at " in output
    assert "journal worker-0  last=80" in output
    assert f"ringfence serve --data {data}" in output
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        assert recovered_from(server) >= (original.snapshot.stem, 42)
        assert state_of(server) == original.state
        assert put_pool(peer, "pool-1").revision == 2
        send(peer, history(3))
        state = state_of(server)
    path = data / "journal" / "worker-0"
    journal = open_for_replay(path, identity=identity_of(path))
    assert (journal.first, journal.last) == (1, 120)
    journal.close()
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert state_of(server) == state != original.state
        assert put_pool(peer, "pool-1").revision == 3


def test_backup_of_a_stopped_server_and_of_a_backup_are_the_same_state(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    done("backup", original.data, tmp_path / "one")
    done("backup", tmp_path / "one", tmp_path / "two", "--no-verify")
    assert names(tmp_path / "two") == names(tmp_path / "one") == names(original.backup)
    with killed(tmp_path / "two", *TWO) as server:
        assert state_of(server) == original.state


def test_restored_folder_and_its_original_are_not_served_at_once(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    done("restore", original.backup, tmp_path / "copy")
    with killed(original.data, *TWO):
        assert "a copy of this data folder is being served" in refusal_of(tmp_path / "copy")


class Traffic:
    """Feeds on two workers and commands, each one call at a time, and what was answered."""

    def __init__(self, server: ServerProcess) -> None:
        self.sent: tuple[list[Batch], list[Batch]] = [], []
        self.answered = [0, 0, 0]
        self.answered_before: list[list[int]] = []  # each command
        self._server = server
        self._stopped = threading.Event()
        self._open = ExitStack()

    def __enter__(self) -> "Traffic":
        peers = [self._open.enter_context(peer_of(self._server, worker)) for worker in (0, 1)]
        peers[0].quarantine(NUMBERS[:20], quarantined_at=[BEGAN])
        threads = self._open.enter_context(ThreadPoolExecutor(3))
        self._open.callback(self._stopped.set)
        self._works = [threads.submit(self._feed, index, peers[index]) for index in (0, 1)]
        self._works.append(threads.submit(self._command, peers[1]))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for work in self._works:
            work.result()

    def go_on(self) -> None:
        """Fails unless all of them still get answers."""
        before = list(self.answered)
        wait_until(lambda: all(map(gt, self.answered, before)))

    def _feed(self, index: int, peer: Peer) -> None:
        chance = random.Random(index)
        while not self._stopped.is_set():
            called = chance.choices(NUMBERS[: 20 + self.answered[2]], k=30)
            caller = [441632960000 + number % 1_000 for number in called]  # nobody who sprays
            occurred_at = [BEGAN + chance.randrange(10_000_000) for _ in called]
            self.sent[index].append(
                {"called": called, "caller": caller, "occurred_at": occurred_at}
            )
            send(peer, self.sent[index][-1:])
            self.answered[index] += 1

    def _command(self, peer: Peer) -> None:
        for number in NUMBERS[20:]:
            if self._stopped.is_set():
                break
            self.answered_before.append(list(self.answered))
            peer.quarantine([number], quarantined_at=[BEGAN])
            self.answered[2] += 1


def test_restored_folder_takes_nothing_over_from_its_killed_original(tmp_path: Path) -> None:
    data, saved, again = tmp_path / "data", tmp_path / "saved", tmp_path / "again"
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        send(peer, history(1))
        state = state_of(server)
        done("backup", data, saved)
        send(peer, history(2))
        assert state_of(server) != state
        segment = server.run_folder / "segment"
    done("restore", saved, again)
    assert segment.exists()
    with serving(again, *TWO) as server:
        assert recovered_from(server) >= ("journal", 42)
        assert state_of(server) == state


def test_backup_under_feeds_commands_and_snapshots_is_a_prefix_of_history(tmp_path: Path) -> None:
    data, saved, again = tmp_path / "data", tmp_path / "saved", tmp_path / "again"
    with killed(data, *LARGE) as server, Traffic(server) as traffic:
        take_snapshot(server)
        take_snapshot(server)
        traffic.go_on()
        before = list(traffic.answered)

        def go_on(done: int, total: int) -> None:
            server.process.send_signal(signal.SIGUSR1)
            traffic.go_on()

        copy = back_up(data, saved, verify=True, progress=go_on, say=print)
        traffic.go_on()
        wait_until(lambda: "snapshot-0000000000000003.rfs, numbers" in server.log)
        sent = traffic.sent
    last = copy.journals
    held = [last["worker-0"], last["worker-1"], last["keeper"] - 2]  # `config`, the first 20
    print(f"answered before: {before}, in the backup: {held}, answered in all: {traffic.answered}")
    assert all(map(ge, held, before))
    assert all(map(ge, held, traffic.answered_before[held[2] - 1]))  # what the keeper could know
    assert all(map(gt, held[:2], before))
    assert copy.snapshots == ["snapshot-0000000000000002.rfs", "snapshot-0000000000000001.rfs"]
    done("restore", saved, again)
    with killed(again, *LARGE) as server:
        assert " recovered=snapshot-0000000000000002 " in server.ready_line
        restored = table_of(server)
    assert len(restored) == 20 + held[2]
    (tmp_path / "prefix").mkdir()
    shutil.copy(data / "caller_key", tmp_path / "prefix")
    with serving(tmp_path / "prefix", *LARGE) as server:
        with peer_of(server, 0) as one, peer_of(server, 1) as other:
            one.quarantine(NUMBERS[: 20 + held[2]], quarantined_at=[BEGAN])
            send(one, sent[0][: held[0]])
            send(other, sent[1][: held[1]])
        assert table_of(server) == restored


def test_snapshot_and_backup_wait_for_each_other(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        take_snapshot(server)

        def want_snapshot(done: int, total: int) -> None:
            if "waiting for a backup" not in server.log:
                server.process.send_signal(signal.SIGUSR1)
                wait_until(lambda: server.log.count("role=snapshot ") > 1)
            assert server.log.count("snapshot taken: ") == 1

        back_up(data, tmp_path / "saved", verify=True, progress=want_snapshot, say=print)
        wait_until(lambda: server.log.count("snapshot taken: ") == 2)
    with change_snapshots(data, lambda: None):
        waiting = subprocess.Popen(
            [*RINGFENCE, "backup", data, tmp_path / "late"], stdout=subprocess.PIPE
        )
        wait_until((tmp_path / ".late.unfinished").exists)
        assert list((tmp_path / ".late.unfinished").iterdir()) == []
    assert waiting.communicate()[0].startswith(b"backup made: ")
    assert (tmp_path / "late").exists()


@pytest.mark.parametrize("after", [1, 3, 4])  # the first file, the snapshot, the keeper's journal
def test_killed_backup_leaves_no_target_and_the_next_one_removes_what_it_left(
    original: SimpleNamespace, tmp_path: Path, after: int
) -> None:
    code = (
        "import itertools, os, sys; from pathlib import Path\n"
        "from ringfence.server.tools.backup import back_up\n"
        "parts = itertools.count(1)\n"
        "def progress(done, total):\n"
        f"    if next(parts) == {after}: os.kill(os.getpid(), 9)\n"
        "back_up(*map(Path, sys.argv[1:]), verify=True, progress=progress, say=print)\n"
    )
    target = tmp_path / "saved"
    ended = subprocess.run([sys.executable, "-c", code, original.data, target], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".saved.unfinished"]
    done("backup", original.data, target)
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_two_backups_to_one_place_do_not_mix(original: SimpleNamespace, tmp_path: Path) -> None:
    refusals: list[tuple[int, str]] = []

    def another(copied: int, total: int) -> None:
        if not refusals:
            refusals.append(run("backup", original.data, tmp_path / "saved"))

    back_up(original.data, tmp_path / "saved", verify=True, progress=another, say=print)
    assert refusals[0][0] == 4
    assert "another process is writing it" in refusals[0][1]
    done("verify", tmp_path / "saved")


def test_backup_without_room_says_how_much_it_needs(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_memory(disk, 1 << 20):
        code, output = run("restore", original.backup, disk)
        assert code == 2
        assert "a mount point cannot be put in place whole" in output
        code, output = run("backup", original.data, disk / "saved")
        assert code == 4
        assert re.search(rf"no room: {disk}: bytes needed=\d{{7,}}, free=\d+\n", output), output
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("after", [2, 3, 4, 5])  # secrets, history, snapshot, keeper's journal
def test_disk_that_becomes_full_during_a_copy_leaves_nothing(
    original: SimpleNamespace, tmp_path: Path, after: int
) -> None:
    disk, parts = tmp_path / "disk", count(1)
    with small_memory(disk, 16 << 20):

        def progress(copied: int, total: int) -> None:
            if next(parts) == after:
                fill_disk(disk / "filler")

        with pytest.raises(CopyError, match=r"No space left on device|disk is full"):
            back_up(original.data, disk / "saved", verify=True, progress=progress, say=print)
        assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("name", ["journal/worker-0/data.mdb", "snapshots", "caller_key"])
def test_damaged_backup_is_not_restored_and_the_damage_is_named(
    original: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    backup, data = tmp_path / "backup", tmp_path / "data"
    shutil.copytree(original.backup, backup)
    path = backup / name
    if path.is_dir():
        path = path / original.snapshot.name
    flip(path)
    code, output = run("restore", backup, data)
    assert code == 1
    assert f"damaged: {backup}: problems=" in output
    assert f"  {path.parent if path.name == 'data.mdb' else path}" in output
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


@pytest.mark.parametrize("lost", ["folder_id", "journal/keeper"])
def test_folder_without_what_makes_a_data_folder_is_wrong_usage(
    original: SimpleNamespace, tmp_path: Path, lost: str
) -> None:
    shutil.copytree(original.backup, tmp_path / "backup")
    (tmp_path / "backup" / lost).rename(tmp_path / "lost")
    for command in ("backup", "restore"):
        code, output = run(command, tmp_path / "backup", tmp_path / "new")
        assert code == 2
        assert "no data folder: " in output
        assert lost in output


def test_journals_that_do_not_reach_a_snapshot_are_found(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(original.backup, backup)
    lost = backup / "journal" / "worker-0"
    shutil.rmtree(lost)
    code, output = run("restore", backup, tmp_path / "new")
    assert code == 1
    assert "worker-0, position=40, oldest=1, last=0" in output
    shutil.copytree(original.backup / "journal" / "worker-0", lost)
    truncate(lost, 60)
    code, output = run("verify", backup)
    assert code == 1
    assert "worker-0, position=40, oldest=61, last=80" in output


def test_snapshot_of_another_folder_is_found(original: SimpleNamespace, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(original.backup, backup)
    (backup / "folder_id").unlink()
    make_secret(backup / "folder_id")
    code, output = run("verify", backup)
    assert code == 1
    assert f"{original.snapshot.name}: snapshot of another data folder: " in output


def test_damaged_original_makes_no_backup(original: SimpleNamespace, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(original.data, data)
    flip(data / "snapshots" / original.snapshot.name)
    code, output = run("backup", data, tmp_path / "saved")
    assert code == 1
    assert "damaged snapshot" in output
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    done("backup", data, tmp_path / "saved", "--no-verify")


def test_restore_writes_over_nothing_and_an_empty_folder_is_filled(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    taken = tmp_path / "data"
    taken.mkdir()
    (taken / "mine").touch()
    code, output = run("restore", original.backup, taken)
    assert code == 2
    assert "restore writes over nothing" in output
    assert names(taken) == {"mine"}
    (taken / "mine").unlink()
    done("restore", original.backup, taken, "--json")
    assert names(taken) == names(original.backup)


def test_backup_writes_over_nothing_and_not_into_its_source(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "saved").mkdir()
    assert run("backup", original.data, tmp_path / "saved")[0] == 2
    for command in ("backup", "restore"):
        code, output = run(command, original.backup, original.backup / "in" / "it")
        assert code == 2
        assert "lies inside" in output


def test_folder_that_is_being_served_is_not_restored_from(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    done("restore", original.backup, tmp_path / "data")
    with serving(tmp_path / "data", *TWO):
        code, output = run("restore", tmp_path / "data", tmp_path / "copy")
    assert code == 4
    assert "is being served: `ringfence data backup` copies it meanwhile" in output
    done("restore", tmp_path / "data", tmp_path / "copy")


def test_restored_history_goes_on_where_the_backup_was_made(
    original: SimpleNamespace, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    done("restore", original.backup, data)
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        number = CALLED[0]

        def commands_of() -> list[str]:
            request = numbers.ListHistoryRequest(number=number)
            try:
                answer = peer.numbers.ListHistory(request, timeout=DEADLINE_S)
            except grpc.RpcError as error:  # at a start the database is just being opened
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                return []
            return [entry.command for entry in answer.entries if entry.command]

        wait_until(lambda: commands_of() == ["QuarantineNumbers"])
        hold = commands.HoldNumbersRequest(numbers=[number])
        peer.commands.HoldNumbers(hold, timeout=DEADLINE_S)
        wait_until(lambda: commands_of() == ["HoldNumbers", "QuarantineNumbers"])
        assert "history is not written" not in server.log


def test_damaged_history_in_a_backup_is_found(original: SimpleNamespace, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(original.backup, saved)
    content = bytearray((saved / "history.db").read_bytes())
    content[4096:4200] = bytes(104)
    (saved / "history.db").write_bytes(content)
    code, output = run("restore", saved, tmp_path / "data")
    assert code == 1
    assert f"{saved}/history.db: " in output
    assert not (tmp_path / "data").exists()
